// Carries a batch through the model and puts each row's outputs where its job wants them.
//
// Is: packing, running, scattering, and finding the row to blame. Is not: choosing rows
// (batch_queue). May use: servable.
#pragma once

#include <vector>

#include "base/clock.h"
#include "runtime/outputs.h"
#include "serve/batch_queue.h"
#include "serve/servable.h"

namespace tamis::serve {

/// Not thread-safe; reuses its memory from batch to batch.
class BatchRunner {
 public:
  BatchRunner(Servable& model, const Clock& clock) : model_(model), clock_(clock) {}

  /// Runs the batch and marks its rows done, or its jobs failed. If the run throws, each row is run
  /// on its own, so that only the jobs whose rows fail are failed. False: something failed.
  bool run(Batch& batch);

 private:
  void clear();
  void append(const RowRef& row, bool positions);
  [[nodiscard]] runtime::PackedBatch packed() const;
  void run_pieces(const std::vector<Piece>& pieces, OutputSet set);
  void run_alone(const Piece& piece, OutputSet set);
  void scatter(const std::vector<Piece>& pieces, OutputSet set);

  Servable& model_;
  const Clock& clock_;
  std::vector<int32_t> input_ids_;
  std::vector<int32_t> token_type_ids_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> cu_seqlens_;
  std::vector<int32_t> selected_;
  int32_t max_seqlen_ = 0;
  runtime::Outputs outputs_;
};

}  // namespace tamis::serve
