// Carries a batch through the model and puts each row's outputs where its job wants them.
//
// Is: running, scattering, and finding the row to blame. Is not: choosing rows
// (batch_queue). May use: servable.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "engine/batch_builder.h"
#include "engine/outputs.h"
#include "serve/batching/batch_queue.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

/// Hash and equality of rows that a run answers alike.
struct SameRun {
  [[nodiscard]] size_t operator()(const RowRef& row) const;
  [[nodiscard]] bool operator()(const RowRef& a, const RowRef& b) const;
};

/// Sequences that are the same run once. Not thread-safe; reuses its memory from batch to batch.
class BatchRunner {
 public:
  BatchRunner(Servable& model, const Clock& clock)
      : model_(model), clock_(clock), builder_(model.first_position()) {}

  /// Runs the batch and marks its rows done, or its jobs failed. If the run throws, each row is run
  /// on its own, so that only the jobs whose rows fail are failed. False: something failed.
  bool run(Batch& batch);

 private:
  void run_pieces(const std::vector<Piece>& pieces, OutputSet set);
  void append_once(const std::vector<Piece>& pieces);
  void run_alone(const Piece& piece, OutputSet set);
  void scatter(const std::vector<Piece>& pieces, OutputSet set);
  void scatter_one(const Piece& piece, size_t row, size_t output, engine::RowRange from);

  Servable& model_;
  const Clock& clock_;
  engine::BatchBuilder builder_;
  engine::Outputs outputs_;
  std::vector<int64_t> place_;  ///< of each row of the batch: which sequence of the run it is
  std::unordered_map<RowRef, int64_t, SameRun, SameRun> first_of_;  ///< the sequence by its row
};

}  // namespace tamis::serve
