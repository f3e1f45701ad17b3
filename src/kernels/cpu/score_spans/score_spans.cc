#include "kernels/cpu/score_spans/score_spans.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const ScoreSpansKernel score_spans_##row;
#include "kernels/cpu/score_spans/kernels.inc"
#undef X

namespace {

constexpr KernelRow<ScoreSpansKernel> kRows[] = {
#define X(row, level) {Isa::level, &score_spans_##row},
#include "kernels/cpu/score_spans/kernels.inc"
#undef X
};

}  // namespace

const ScoreSpansKernel& select_score_spans(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
