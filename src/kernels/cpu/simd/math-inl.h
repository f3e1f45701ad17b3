// exp and the activations on sixteen floats, from a handful of FMAs.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h; all in an anonymous namespace. Bounds
// below are of the error against the exact value, eps = 2^-24, and are what elementwise_test.cc
// checks. Coefficients are minimax fits by iteratively reweighted least squares on the intervals
// named.
#pragma once

#include "base/activation.h"

namespace tamis::kernels {
namespace {

// exp(x) for x in [-87, 88], clamped to that interval outside (exp(-87) = 1.6e-38 is still normal,
// exp(88) = 1.7e38 finite). NaN gives exp(-87). Relative error <= 2.5 eps.
TAMIS_INLINE Vec exp(Vec x) {
  x = min(max(x, set(-87.0f)), set(88.0f));
  // 1.5 * 2^23: adding it rounds to an integer that then stands in the low bits.
  const Vec magic = set(12582912.0f);
  const Vec shifted = fma(x, set(1.44269504f), magic);
  const Vec n = shifted - magic;
  Vec r = fnma(n, set(0.693359375f), x);  // ln 2 in two parts, the first with 9 bits
  r = fnma(n, set(-2.12194440e-4f), r);
  Vec p = set(0.0013814598f);  // |r| <= ln(2) / 2, relative error 3e-9
  p = fma(p, r, set(0.0083687175f));
  p = fma(p, r, set(0.04166839f));
  p = fma(p, r, set(0.16666521f));
  p = fma(p, r, set(0.49999994f));
  p = fma(p, r, set(1.0f));
  p = fma(p, r, set(1.0f));
  return add_exponent(p, shifted);
}

// 1 / (1 + exp(-x)). Error <= 5 eps of the result where that is above exp(-87).
TAMIS_INLINE Vec sigmoid(Vec x) { return set(1.0f) / (set(1.0f) + exp(zero() - x)); }

// x Phi(x): Phi(x) - 1/2 = x P(x^2) / Q(x^2) for |x| <= 5.71, where it reaches 1/2 exactly and
// stays. |error| <= 4 eps |x|.
TAMIS_INLINE Vec gelu(Vec x) {
  const Vec c = min(max(x, set(-5.71f)), set(5.71f));
  const Vec t = c * c;
  Vec p = set(2.1528477e-08f);
  p = fma(p, t, set(6.375724e-06f));
  p = fma(p, t, set(0.00017990086f));
  p = fma(p, t, set(0.0047439104f));
  p = fma(p, t, set(0.034992937f));
  p = fma(p, t, set(0.3989422f));
  Vec q = set(1.1635547e-06f);
  q = fma(q, t, set(7.6919605e-05f));
  q = fma(q, t, set(0.0019474479f));
  q = fma(q, t, set(0.029290076f));
  q = fma(q, t, set(0.25437972f));
  q = fma(q, t, set(1.0f));
  return x * (set(0.5f) + c * p / q);
}

// x (1/2 + c P(c^2)), c = x held to |c| <= limit, the degree of P being 7.
struct ShortGelu {
  float limit;
  float p[8];
};
TAMIS_INLINE Vec short_gelu(Vec x, const ShortGelu& fit) {
  const Vec c = min(max(x, set(-fit.limit)), set(fit.limit));
  const Vec t = c * c;
  Vec p = set(fit.p[7]);
#pragma GCC unroll 7
  for (int i = 6; i >= 0; --i) p = fma(p, t, set(fit.p[i]));
  return x * fma(c, p, set(0.5f));
}
// x Phi(x) and its tanh form for results that are rounded to 8 bits or to bf16 next:
// |error| <= 1e-4 + 2e-6 |x|, and <= 3e-5 |x| for |x| < 0.05. Half as many operations as gelu(),
// and no division.
TAMIS_INLINE Vec short_gelu(Vec x) {
  constexpr ShortGelu kFit = {4.15f,
                              {0.39849398f, -0.06557471f, 0.009323782f, -0.00095721625f,
                               6.778056e-05f, -3.1036507e-06f, 8.19089e-08f, -9.39877e-10f}};
  return short_gelu(x, kFit);
}
TAMIS_INLINE Vec short_gelu_tanh(Vec x) {
  constexpr ShortGelu kFit = {4.05f,
                              {0.39852944f, -0.06594074f, 0.00955999f, -0.0010169381f,
                               7.5523676e-05f, -3.6518663e-06f, 1.0208178e-07f, -1.2418852e-09f}};
  return short_gelu(x, kFit);
}

// 0.5 x (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3).
TAMIS_INLINE Vec gelu_tanh(Vec x) {
  const Vec cubic = fma(x * x, set(2 * 0.79788456f * 0.044715f), set(2 * 0.79788456f));
  return x * sigmoid(x * cubic);
}

// tanh(|x|) = 1 - 2 / (exp(2|x|) + 1), and x + x^3 P(x^2) for |x| < 0.625, where that cancels.
TAMIS_INLINE Vec tanh(Vec x) {
  const Vec t = x * x;
  Vec p = set(-0.0056973775f);
  p = fma(p, t, set(0.02063254f));
  p = fma(p, t, set(-0.053737797f));
  p = fma(p, t, set(0.1333142f));
  p = fma(p, t, set(-0.3333328f));
  const Vec small = fma(x * t, p, x);
  const Vec magnitude = absolute(x);
  const Vec large = set(1.0f) - set(2.0f) / (exp(magnitude + magnitude) + set(1.0f));
  return where_less(magnitude, set(0.625f), small, with_sign_of(large, x));
}

// x tanh(log(1 + e)) = x n / (n + 2), n = e (e + 2), e = exp(x); from x = 20 on n / (n + 2) is 1.
TAMIS_INLINE Vec mish(Vec x) {
  const Vec e = exp(min(x, set(20.0f)));
  const Vec n = e * (e + set(2.0f));
  return x * (n / (n + set(2.0f)));
}

TAMIS_INLINE Vec relu(Vec x) { return max(x, zero()); }

// Calls body with the vector function of the activation: one branch for many vectors.
template <typename Body>
TAMIS_INLINE void with_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::kNone:
      return body([](Vec x) TAMIS_LAMBDA { return x; });
    case Activation::kGelu:
      return body([](Vec x) TAMIS_LAMBDA { return gelu(x); });
    case Activation::kGeluTanh:
      return body([](Vec x) TAMIS_LAMBDA { return gelu_tanh(x); });
    case Activation::kQuickGelu:
      return body([](Vec x) TAMIS_LAMBDA { return x * sigmoid(x * set(1.702f)); });
    case Activation::kRelu:
      return body([](Vec x) TAMIS_LAMBDA { return relu(x); });
    case Activation::kRelu2:
      return body([](Vec x) TAMIS_LAMBDA { return relu(x) * relu(x); });
    case Activation::kSilu:
      return body([](Vec x) TAMIS_LAMBDA { return x * sigmoid(x); });
    case Activation::kMish:
      return body([](Vec x) TAMIS_LAMBDA { return mish(x); });
    case Activation::kTanh:
      return body([](Vec x) TAMIS_LAMBDA { return tanh(x); });
    case Activation::kSigmoid:
      return body([](Vec x) TAMIS_LAMBDA { return sigmoid(x); });
  }
}

// As with_activation(), GELU and its tanh form by the short polynomials.
template <typename Body>
TAMIS_INLINE void with_activation_short(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::kGelu:
      return body([](Vec x) TAMIS_LAMBDA { return short_gelu(x); });
    case Activation::kGeluTanh:
      return body([](Vec x) TAMIS_LAMBDA { return short_gelu_tanh(x); });
    case Activation::kNone:
    case Activation::kQuickGelu:
    case Activation::kRelu:
    case Activation::kRelu2:
    case Activation::kSilu:
    case Activation::kMish:
    case Activation::kTanh:
    case Activation::kSigmoid:
      return with_activation(activation, body);
  }
}

}  // namespace
}  // namespace tamis::kernels
