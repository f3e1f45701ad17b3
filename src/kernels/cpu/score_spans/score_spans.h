// How well labels name the spans of words that begin at one word.
//
// Is: relu(start + end) multiplied with each label's row. Is not: which rows are words or labels.
// May use: the argument struct only, so that per-ISA files can include it.
//
// Exactness. Sixteen sums of fused multiply-adds side by side, added up in one order, then the
// label's own number: all vector rows give the same bits. The reference sums in double and agrees
// to |error| <= (n + 8) eps (sum |relu(start + end)| |label| + |last|).
#pragma once

#include "kernels/reference/words_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct ScoreSpansKernel {
  const char* name;  // "score_spans_avx512"
  void (*run)(const ScoreSpansArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const ScoreSpansKernel& select_score_spans(IsaSet isas);

}  // namespace tamis::kernels
