// Running a plan: up to two runs in flight, one copied while the other computes.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engines/cuda/lane.h"
#include "engines/cuda/plan.h"

namespace tamis::engines::cuda {

/// RunControl's stop and deadline are looked at before a run starts and when it is over: nothing
/// ends work that the card has begun.
class Session final : public engine::Session {
 public:
  explicit Session(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

  void run(const engine::PackedBatch& batch, engine::Outputs& outputs,
           const engine::RunControl& control = {}) override;
  /// The third run in flight waits for the first to end.
  [[nodiscard]] engine::Ticket submit(const engine::PackedBatch& batch, engine::Outputs& outputs,
                                      const engine::RunControl& control) override;
  void wait(const engine::Ticket& ticket) override;

 private:
  /// A run that was submitted and not waited for.
  struct Pending {
    uint64_t number = 0;
    Lane* lane = nullptr;
    const engine::PackedBatch* batch = nullptr;
    engine::Outputs* outputs = nullptr;
    const engine::RunControl* control = nullptr;
    bool over = false;
    std::exception_ptr error;
  };

  Lane& free_lane();
  static void finish(Pending& pending);

  std::shared_ptr<const Plan> plan_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<Pending> pending_;
  uint64_t submitted_ = 0;
};

}  // namespace tamis::engines::cuda
