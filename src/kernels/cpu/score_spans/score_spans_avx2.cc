#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/score_spans/score_spans-inl.h"

namespace tamis::kernels {

extern const ScoreSpansKernel score_spans_avx2;
const ScoreSpansKernel score_spans_avx2 = {"score_spans_avx2", score_spans};

}  // namespace tamis::kernels
