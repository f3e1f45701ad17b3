// Running a plan: the state of one run at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engines/cpu/plan.h"
#include "tensor/arena.h"

namespace tamis::engines::cpu {

/// Uses the pool's workers that are idle at the time (at least the caller). Allocates nothing once
/// it has seen a batch as large.
class Session final : public engine::Session {
 public:
  Session(std::shared_ptr<const Plan> plan, std::shared_ptr<ThreadPool> pool);
  /// As above, for a pool that outlives the session.
  Session(std::shared_ptr<const Plan> plan, ThreadPool& pool);
  ~Session() override;

  void run(const engine::PackedBatch& batch, engine::Outputs& outputs,
           const engine::RunControl& control = {}) override;

 private:
  struct WorkerState;
  struct Run;

  void prepare(const engine::PackedBatch& batch, engine::Outputs& outputs);
  void prepare_places(const engine::PackedBatch& batch);
  [[nodiscard]] int64_t longest(const engine::PackedBatch& batch) const;
  void bind(const Run& run, const Block& block, WorkerState& state);
  void bind_inputs(const Run& run, const Block& block, WorkerState& state);
  void run_block(Run& run, const Block& block, WorkerState& state);
  void run_blocks(Run& run, WorkerState& state);
  void run_team(Run& run, int worker, int workers);
  void ensure_workers(int workers, size_t scratch);

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<ThreadPool> pool_;
  Schedule schedule_;
  std::vector<std::unique_ptr<WorkerState>> workers_;
  std::vector<std::byte*> output_data_;
  std::vector<int32_t> rebased_cu_seqlens_;  // each block's [sequences + 1], from 0
  std::vector<int32_t> rebased_selected_;
  int64_t prepared_places_ = 0;
  SpinBarrier team_barrier_;
};

}  // namespace tamis::engines::cpu
