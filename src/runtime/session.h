// Running a plan: the state of one run at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "runtime/batch.h"
#include "runtime/outputs.h"
#include "runtime/plan.h"
#include "tensor/arena.h"

namespace tamis::runtime {

/// How a run may end early. Looked at between blocks, and between steps of a block.
struct RunControl {
  const std::atomic<bool>* stop = nullptr;  ///< set: the run ends with Error{kCancelled}
  int64_t deadline_ns = 0;                  ///< on `clock`; past: Error{kDeadlineExceeded}; 0: none
  const Clock* clock = &Clock::steady();
  /// Called with (tokens done, tokens in all) from worker threads, one call at a time; must not
  /// throw.
  std::function<void(int64_t, int64_t)> progress;
};

/// Not thread-safe; make one session a concurrent run. Plan and pool outlive it.
class Session {
 public:
  Session(std::shared_ptr<const Plan> plan, ThreadPool& pool);
  ~Session();

  /// Computes the plan's outputs for the batch. Uses the pool's workers that are idle now (at least
  /// the caller); the results' bits do not depend on how many. Allocates nothing once it has seen a
  /// batch as large. Throws Error: kInvalidArgument (check_batch), kCancelled, kDeadlineExceeded,
  /// kOutOfMemory.
  void run(const PackedBatch& batch, Outputs& outputs, const RunControl& control = {});

  [[nodiscard]] const Plan& plan() const { return *plan_; }

 private:
  struct WorkerState;
  struct Run;

  void prepare(const PackedBatch& batch, Outputs& outputs);
  void bind(const Run& run, const Block& block, WorkerState& state);
  void run_block(Run& run, const Block& block, WorkerState& state);
  void run_blocks(Run& run, WorkerState& state);
  void run_team(Run& run, int worker, int workers);
  void ensure_workers(int workers, size_t scratch);

  std::shared_ptr<const Plan> plan_;
  ThreadPool& pool_;
  Schedule schedule_;
  std::vector<std::unique_ptr<WorkerState>> workers_;
  std::vector<std::byte*> output_data_;
  std::vector<int32_t> rebased_cu_seqlens_;  // each block's [sequences + 1], from 0
  std::vector<int32_t> rebased_selected_;
  SpinBarrier team_barrier_;
};

}  // namespace tamis::runtime
