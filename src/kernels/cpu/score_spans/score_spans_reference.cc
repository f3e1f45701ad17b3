#include "kernels/cpu/score_spans/score_spans.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

extern const ScoreSpansKernel score_spans_reference;
const ScoreSpansKernel score_spans_reference = {"score_spans_reference", reference::score_spans};

}  // namespace tamis::kernels
