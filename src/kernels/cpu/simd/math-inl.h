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
// exp(88) = 1.7e38 finite). NaN of arithmetic's own kind (no payload) stays NaN: a model that
// overflows must not answer with numbers. Relative error <= 2.5 eps.
TAMIS_INLINE Vec exp(Vec x) {
  x = min(set(88.0f), max(set(-87.0f), x));  // x where it is NaN: see min() and max()
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

// Phi(x), the normal distribution's function: Phi(x) - 1/2 = x P(x^2) / Q(x^2) for |x| <= 5.71,
// where it reaches 1/2 exactly and stays. |error| <= 3 eps.
TAMIS_INLINE Vec phi(Vec x) {
  const Vec c = min(set(5.71f), max(set(-5.71f), x));  // NaN stays NaN
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
  return set(0.5f) + c * p / q;
}

// |error| <= 4 eps |x|.
TAMIS_INLINE Vec gelu(Vec x) { return x * phi(x); }

// max(x, 0) - r(|x|), r(u) = u (1 - Phi(u)) by a quadratic on each of 16 intervals around i /
// per_unit, i = 0 to 15, and its last value beyond; the first is 0 at 0.
struct ShortGelu {
  float per_unit;
  float c0[16];
  float c1[16];
  float c2[16];
};
TAMIS_INLINE Vec short_gelu(Vec x, const ShortGelu& fit) {
  const Vec u = min(absolute(x) * set(fit.per_unit), set(15.49f));
  const Vec magic = set(12582912.0f);  // as in exp()
  const Vec interval = u + magic;
  const Vec t = u - (interval - magic);
  const Vec r = fma(fma(look_up(fit.c2, interval), t, look_up(fit.c1, interval)), t,
                    look_up(fit.c0, interval));
  return max(zero(), x) - r;
}
// x Phi(x) and its tanh form for results that are rounded to 8 bits or to bf16 next:
// |error| <= 8e-5, and <= 1e-4 |x| for |x| < 0.1. A quarter of gelu()'s multiplications
// and no division.
constexpr ShortGelu kShortGeluErf = {
    3.875f,
    {0.0f, 0.102751836f, 0.156323984f, 0.169864252f, 0.155847415f, 0.127059683f, 0.0940895155f,
     0.0639933795f, 0.0402268991f, 0.0234603975f, 0.0127245495f, 0.00642889598f, 0.00302896951f,
     0.00133184285f, 0.000546847295f, 0.000193479413f},
    {0.129034922f, 0.0772668794f, 0.0320129432f, -0.00202728482f, -0.0230380856f, -0.0320911594f,
     -0.0322320089f, -0.0271816514f, -0.0202154256f, -0.0135549251f, -0.00829099957f,
     -0.00465849275f, -0.00241521513f, -0.00115892838f, -0.000515818072f, -0.000245597883f},
    {-0.0265019238f, -0.0247640125f, -0.0201131143f, -0.0137852756f, -0.00731776701f,
     -0.00198500464f, 0.00154363166f, 0.00324592623f, 0.00354638696f, 0.00303164264f,
     0.00221736054f, 0.00143684412f, 0.000839434098f, 0.000446621416f, 0.000217710374f,
     -3.80714591e-05f}};
constexpr ShortGelu kShortGeluTanh = {
    4.0f,
    {0.0f, 0.100321151f, 0.154283896f, 0.170039132f, 0.158809304f, 0.13228789f, 0.100430585f,
     0.0702063441f, 0.0454031564f, 0.0272018313f, 0.0150843458f, 0.00772296824f, 0.00363713899f,
     0.00156839599f, 0.000616053178f, 0.000202922616f},
    {0.125002161f, 0.0763473213f, 0.0334794447f, 0.000642854371f, -0.0203892309f, -0.0303536002f,
     -0.0317618176f, -0.0278280042f, -0.0215222575f, -0.0150134126f, -0.00953562278f,
     -0.00553180277f, -0.00293005584f, -0.0014134004f, -0.000618498423f, -0.000276554347f},
    {-0.0248754509f, -0.023334546f, -0.0191933978f, -0.0135041857f, -0.00759214163f,
     -0.00257824222f, 0.000910622184f, 0.00278662122f, 0.00335020339f, 0.00306429109f,
     0.00238125632f, 0.0016304868f, 0.000997730182f, 0.000548222859f, 0.000270391582f,
     -1.58160256e-05f}};
TAMIS_INLINE Vec short_gelu(Vec x) { return short_gelu(x, kShortGeluErf); }
TAMIS_INLINE Vec short_gelu_tanh(Vec x) { return short_gelu(x, kShortGeluTanh); }

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
  const Vec e = exp(min(set(20.0f), x));
  const Vec n = e * (e + set(2.0f));
  return x * (n / (n + set(2.0f)));
}

// NaN stays NaN; adding 0 makes -0 the 0 that it should be.
TAMIS_INLINE Vec relu(Vec x) { return max(zero(), x) + zero(); }

TAMIS_INLINE Vec relu6(Vec x) { return min(set(6.0f), relu(x)); }

// sqrt(max(x, 0) + log(1 + e)), e = exp(-|x|), the logarithm as 2 atanh(e / (2 + e)) by its series.
TAMIS_INLINE Vec sqrt_softplus(Vec x) {
  const Vec e = exp(zero() - absolute(x));
  const Vec s = e / (e + set(2.0f));  // at most 1/3: the ninth term is 1.3e-9 of the first
  const Vec t = s * s;
  Vec p = set(1 / 15.0f);
  for (const float odd : {13.0f, 11.0f, 9.0f, 7.0f, 5.0f, 3.0f, 1.0f}) p = fma(p, t, set(1 / odd));
  return square_root(max(zero(), x) + (s + s) * p);
}

// The activations of few models. A call for each sixteen values, so that in every epilogue they are
// one function's code together. NaN stays NaN.
inline __attribute__((noinline)) void rare_activation(Activation activation, Vec& x) {
  if (activation == Activation::kRelu6) x = relu6(x);
  if (activation == Activation::kLeakyRelu) x = max(x * set(0.01f), x);
  if (activation == Activation::kGelu10) x = min(set(10.0f), max(set(-10.0f), gelu(x)));
  if (activation == Activation::kLaplace) {
    x = phi((x - set(0.707107f)) * set(1 / 0.282095f));
  }
  if (activation == Activation::kHardSwish) x = x * relu6(x + set(3.0f)) * set(1 / 6.0f);
  if (activation == Activation::kSqrtSoftplus) x = sqrt_softplus(x);
}

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
    case Activation::kRelu6:
    case Activation::kLeakyRelu:
    case Activation::kGelu10:
    case Activation::kLaplace:
    case Activation::kHardSwish:
    case Activation::kSqrtSoftplus:
      return body([activation](Vec x) TAMIS_LAMBDA {
        rare_activation(activation, x);
        return x;
      });
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
    case Activation::kRelu6:
    case Activation::kLeakyRelu:
    case Activation::kGelu10:
    case Activation::kLaplace:
    case Activation::kHardSwish:
    case Activation::kSqrtSoftplus:
      return with_activation(activation, body);
  }
}

}  // namespace
}  // namespace tamis::kernels
