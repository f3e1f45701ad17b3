// Texts kept away from calibration, and what fp32 answers to them: the ruler of the search.
//
// Is: any number of plans of one model measured against one reference run. Is not: a choice of
// texts, or of plans (choose_plan.h). May use: measure.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/measure.h"

namespace tamis::api {

/// Not thread-safe. Keeps the reference's outputs, not its model.
class HeldOut {
 public:
  /// Runs `reference` on the rows. `model` encodes and decodes, and outlives this; so do the rows.
  /// Throws what evaluate() throws.
  HeldOut(const LoadedModel& model, Runner& reference, std::span<const TextRow> rows,
          std::string source);

  [[nodiscard]] int64_t rows() const { return static_cast<int64_t>(rows_.size()); }

  /// The reference against itself: which figures the rows give at all.
  [[nodiscard]] Evaluation compare_reference() const;
  /// Another plan of the model against the reference, on all rows.
  [[nodiscard]] Evaluation compare(Runner& runner) const;

  /// Rows evenly spaced, of about `max_tokens` tokens together and at least one, as one batch for
  /// inner work. Valid until the next call.
  [[nodiscard]] engine::PackedBatch batch_of(int64_t max_tokens);
  /// Agreement::divergence over the rows of batch_of(), from the task's output for that batch.
  [[nodiscard]] double divergence(const TensorView& output) const;

 private:
  void run_reference(Runner& reference);
  /// `runs` of the inputs of these rows, one behind the other.
  [[nodiscard]] Evaluation evaluate_runs(std::span<const Run> runs,
                                         std::span<const size_t> rows) const;

  const LoadedModel& model_;
  std::span<const TextRow> rows_;
  std::string source_;
  std::unique_ptr<Measure> first_;  // only for its options and inputs
  Chunk chunk_;
  std::vector<tasks::Encoded> encoded_;
  std::vector<Run> reference_;
  engine::BatchBuilder batch_;
  std::vector<size_t> all_rows_;
  std::vector<size_t> batch_rows_;
  std::vector<tasks::Encoded> batch_requests_;
};

}  // namespace tamis::api
