// Spans of a word over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/score_spans/score_spans.h"
#include "kernels/cpu/simd/row-inl.h"

namespace tamis::kernels {
namespace {

// As many sums as stay in registers on AVX2, beside what they are made of.
constexpr int64_t kLabelsAtOnce = 4;

// The scores of `labels` labels from the first-th on.
template <int64_t labels>
TAMIS_INLINE void score_labels(const ScoreSpansArgs& args, const float* end, int64_t first,
                               float* y) {
  const float* rows[labels];
  Vec sums[labels];
  for (int64_t l = 0; l < labels; ++l) {
    rows[l] = args.labels + args.label_rows[first + l] * (args.n + 1);
    sums[l] = zero();
  }
  for_each_vector(args.n, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    // NaN stays NaN.
    const Vec both = max(zero(), load_count(args.start + j, count) + load_count(end + j, count));
    for (int64_t l = 0; l < labels; ++l) {
      sums[l] = fma(both, load_count(rows[l] + j, count), sums[l]);
    }
  });
  for (int64_t l = 0; l < labels; ++l) y[first + l] = sum_lanes(sums[l]) + rows[l][args.n];
}

void score_spans(const ScoreSpansArgs& args) {
  for (int64_t s = 0; s < args.spans; ++s) {
    const float* end = args.ends + args.words[s] * args.n;
    float* y = args.y + s * args.ldy;
    int64_t l = 0;
    for (; l + kLabelsAtOnce <= args.label_count; l += kLabelsAtOnce) {
      score_labels<kLabelsAtOnce>(args, end, l, y);
    }
    for (; l < args.label_count; ++l) score_labels<1>(args, end, l, y);
  }
}

}  // namespace
}  // namespace tamis::kernels
