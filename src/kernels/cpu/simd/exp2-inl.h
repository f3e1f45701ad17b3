// 2^t, for a softmax.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h; all in an anonymous namespace.
// Coefficients are minimax fits by iteratively reweighted least squares on [-1/2, 1/2] with p(0) =
// 1, so that the greatest of a row counts as exactly 1.
#pragma once

namespace tamis::kernels {
namespace {

// 2^t = 2^n p(t - n), n the nearest integer, for t held to [-126, 126]. NaN gives 2^-126.
template <int kDegree>
TAMIS_INLINE Vec exp2(Vec t, const float (&coefficients)[kDegree]) {
  t = min(max(t, set(-126.0f)), set(126.0f));
  // 1.5 * 2^23: adding it rounds to an integer that then stands in the low bits.
  const Vec magic = set(12582912.0f);
  const Vec shifted = t + magic;
  const Vec f = t - (shifted - magic);
  Vec p = set(coefficients[kDegree - 1]);
#pragma GCC unroll 8
  for (int i = kDegree - 2; i >= 0; --i) p = fma(p, f, set(coefficients[i]));
  p = fma(p, f, set(1.0f));
  return add_exponent(p, shifted);
}

// Relative error <= 2.6 eps: 1.6 of the fit, two roundings.
constexpr float kExp2[5] = {0.693147f, 0.24022242f, 0.055507336f, 0.009671514f, 0.0013264731f};
// Relative error <= 2^-13.2: half of bf16's half unit in the last place is 2^-10.
constexpr float kShortExp2[3] = {0.69328296f, 0.24221101f, 0.055008605f};

}  // namespace
}  // namespace tamis::kernels
