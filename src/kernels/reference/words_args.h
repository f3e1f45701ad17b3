// What the ops that find entities over given labels are made of.
//
// Is: the operands of one call. Is not: a kernel. May use: nothing.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// A word of a long short-term memory (graph::LstmAttributes).
struct LstmCellArgs {
  int64_t n = 0;
  const float* x = nullptr;          // [4n]: gates of input, forget, cell and output
  const float* recurrent = nullptr;  // [4n], added to x; null: there is no word before
  float* cell = nullptr;             // [n]: the word before's, if there is one; then this word's
  float* y = nullptr;                // [n]
};

/// The spans that begin at a word (graph::ScoreSpansAttributes).
struct ScoreSpansArgs {
  int64_t n = 0;
  const float* start = nullptr;         // [n]
  const float* ends = nullptr;          // [rows, n]
  const int32_t* words = nullptr;       // [spans], rows of ends: the word itself, then those behind
  int64_t spans = 0;                    // 1 to max_width
  const float* labels = nullptr;        // [rows, n + 1]
  const int32_t* label_rows = nullptr;  // [label_count], rows of labels
  int64_t label_count = 0;
  float* y = nullptr;  // [spans, ldy], of each the first label_count
  int64_t ldy = 0;
};

}  // namespace tamis::kernels
