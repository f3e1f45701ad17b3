// Which part of a batch one worker, or one team of workers, carries through the whole plan.
//
// Is: cutting a batch into blocks of whole sequences and choosing how the workers share them. Is
// not: running anything. May use: graph's symbols.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/packed_batch.h"
#include "graph/symbolic_shape.h"

namespace tamis::engines::cpu {

/// What a caller sees of the rows that a symbol counts.
[[nodiscard]] engine::RowUnit row_unit(graph::Symbol symbol);

/// Whole sequences [sequence_begin, sequence_end) of a batch.
struct Block {
  int64_t sequence_begin = 0;
  int64_t sequence_end = 0;
  int64_t token_begin = 0;
  int64_t token_end = 0;
  int64_t selected_begin = 0;
  int64_t selected_end = 0;
  int64_t pairs = 0;  ///< sum of squared lengths

  [[nodiscard]] int64_t sequences() const { return sequence_end - sequence_begin; }
  [[nodiscard]] int64_t tokens() const { return token_end - token_begin; }
  [[nodiscard]] int64_t selected() const { return selected_end - selected_begin; }
  /// Rows that a value counted by `symbol` has in this block.
  [[nodiscard]] int64_t units(graph::Symbol symbol) const;
  /// The block's first row in the batch.
  [[nodiscard]] int64_t first_unit(graph::Symbol symbol) const;
};

/// How a batch is run.
struct Schedule {
  std::vector<Block> blocks;  ///< dearest first
  /// True: all workers go through one block together, step by step. False: each worker takes whole
  /// blocks.
  bool team = false;
};

struct ScheduleOptions {
  int workers = 1;
  /// Tokens a block should hold: enough rows for the GEMM to run at its rate, few enough for their
  /// activations to stay in the level-2 cache.
  int64_t block_tokens = 256;
  /// Tokens whose linear layers cost as much as 1 token^2 pair of attention: 1 / (pairs' weight).
  double tokens_per_pair = 1.0 / 4096;
};

/// Fills `schedule` anew, reusing its memory. The result depends on the batch and the options only;
/// results of a run do not depend on it.
void make_schedule(const engine::PackedBatch& batch, const ScheduleOptions& options,
                   Schedule& schedule);

}  // namespace tamis::engines::cpu
