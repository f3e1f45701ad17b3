// exp and the activations on one float.
//
// Is: the arithmetic of kernels/cpu/simd/math-inl.h, operation for operation, so that all bits are
// the CPU's; bounds and sources of the numbers stand there. For kernels, included after device.h.
// Is not: a kernel.
#pragma once

#include "base/activation.h"
#include "kernels/cuda/device.h"

namespace tamis::cuda::device {

/// Of x held to [-87, 88]; NaN stays NaN.
TAMIS_DEVICE float exp_of(float x) {
  if (x != x) return x;
  x = at_most(88.0f, at_least(-87.0f, x));
  const float magic = 12582912.0f;  // 1.5 * 2^23: the sum's low bits are the integer
  const float shifted = fma_rn(x, 1.44269504f, magic);
  const float n = sub_rn(shifted, magic);
  float r = fma_rn(-n, 0.693359375f, x);
  r = fma_rn(-n, -2.12194440e-4f, r);
  float p = 0.0013814598f;
  p = fma_rn(p, r, 0.0083687175f);
  p = fma_rn(p, r, 0.04166839f);
  p = fma_rn(p, r, 0.16666521f);
  p = fma_rn(p, r, 0.49999994f);
  p = fma_rn(p, r, 1.0f);
  p = fma_rn(p, r, 1.0f);
  return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

TAMIS_DEVICE float sigmoid_of(float x) {
  return div_rn(1.0f, add_rn(1.0f, exp_of(sub_rn(0.0f, x))));
}

TAMIS_DEVICE float phi_of(float x) {
  const float c = at_most(5.71f, at_least(-5.71f, x));
  const float t = mul_rn(c, c);
  float p = 2.1528477e-08f;
  p = fma_rn(p, t, 6.375724e-06f);
  p = fma_rn(p, t, 0.00017990086f);
  p = fma_rn(p, t, 0.0047439104f);
  p = fma_rn(p, t, 0.034992937f);
  p = fma_rn(p, t, 0.3989422f);
  float q = 1.1635547e-06f;
  q = fma_rn(q, t, 7.6919605e-05f);
  q = fma_rn(q, t, 0.0019474479f);
  q = fma_rn(q, t, 0.029290076f);
  q = fma_rn(q, t, 0.25437972f);
  q = fma_rn(q, t, 1.0f);
  return add_rn(0.5f, div_rn(mul_rn(c, p), q));
}

TAMIS_DEVICE float gelu_of(float x) { return mul_rn(x, phi_of(x)); }

/// Where of 16 intervals |x| is, and how far from its middle; NaN is in the last.
struct ShortGeluPlace {
  TAMIS_DEVICE ShortGeluPlace(float x, float per_unit) {
    const float held = min_of(15.49f, mul_rn(absolute(x), per_unit));
    interval = round_even(held);
    t = sub_rn(held, to_float(interval));
  }

  int32_t interval;
  float t;
};

/// `fit` is ShortGelu of kernels/reference/short_gelu.h, in device memory.
TAMIS_DEVICE float short_gelu_of(float x, const float* fit) {
  const ShortGeluPlace place(x, load_global(fit));
  const float* c0 = fit + 1 + place.interval;
  const float linear = fma_rn(load_global(c0 + 32), place.t, load_global(c0 + 16));
  const float r = fma_rn(linear, place.t, load_global(c0));
  return sub_rn(at_least(0.0f, x), r);
}

/// The same with what follows per_unit, 48 floats, at `table` in shared memory.
TAMIS_DEVICE float short_gelu_in_shared(float x, float per_unit, uint32_t table) {
  const ShortGeluPlace place(x, per_unit);
  const uint32_t at = table + static_cast<uint32_t>(place.interval) * 4;
  const float c0 = float_of(load_shared32(at));
  const float c1 = float_of(load_shared32(at + 64));
  const float c2 = float_of(load_shared32(at + 128));
  return sub_rn(at_least(0.0f, x), fma_rn(fma_rn(c2, place.t, c1), place.t, c0));
}
/// per_unit and those 48.
inline constexpr int kShortGeluNumbers = 49;

TAMIS_DEVICE float gelu_tanh_of(float x) {
  const float cubic = fma_rn(mul_rn(x, x), 2 * 0.79788456f * 0.044715f, 2 * 0.79788456f);
  return mul_rn(x, sigmoid_of(mul_rn(x, cubic)));
}

TAMIS_DEVICE float tanh_of(float x) {
  const float t = mul_rn(x, x);
  float p = -0.0056973775f;
  p = fma_rn(p, t, 0.02063254f);
  p = fma_rn(p, t, -0.053737797f);
  p = fma_rn(p, t, 0.1333142f);
  p = fma_rn(p, t, -0.3333328f);
  const float small = fma_rn(mul_rn(x, t), p, x);
  const float magnitude = absolute(x);
  if (magnitude < 0.625f) return small;
  const float e = exp_of(add_rn(magnitude, magnitude));
  const float large = sub_rn(1.0f, div_rn(2.0f, add_rn(e, 1.0f)));
  return float_of(bits_of(large) | (bits_of(x) & 0x80000000u));
}

TAMIS_DEVICE float mish_of(float x) {
  const float e = exp_of(at_most(20.0f, x));
  const float n = mul_rn(e, add_rn(e, 2.0f));
  return mul_rn(x, div_rn(n, add_rn(n, 2.0f)));
}

TAMIS_DEVICE float relu_of(float x) { return add_rn(at_least(0.0f, x), 0.0f); }
TAMIS_DEVICE float relu6_of(float x) { return at_most(6.0f, relu_of(x)); }

TAMIS_DEVICE float sqrt_softplus_of(float x) {
  const float e = exp_of(sub_rn(0.0f, absolute(x)));
  const float s = div_rn(e, add_rn(e, 2.0f));
  const float t = mul_rn(s, s);
  float p = 1 / 15.0f;
  p = fma_rn(p, t, 1 / 13.0f);
  p = fma_rn(p, t, 1 / 11.0f);
  p = fma_rn(p, t, 1 / 9.0f);
  p = fma_rn(p, t, 1 / 7.0f);
  p = fma_rn(p, t, 1 / 5.0f);
  p = fma_rn(p, t, 1 / 3.0f);
  p = fma_rn(p, t, 1.0f);
  return sqrt_rn(add_rn(at_least(0.0f, x), mul_rn(add_rn(s, s), p)));
}

/// Any of them; GELU and its tanh form by their short fits where `short_gelu` is given.
TAMIS_DEVICE_CALL float activate(Activation activation, float x,
                                 const float* short_gelu = nullptr) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
      return short_gelu != nullptr ? short_gelu_of(x, short_gelu) : gelu_of(x);
    case Activation::kGeluTanh:
      return short_gelu != nullptr ? short_gelu_of(x, short_gelu) : gelu_tanh_of(x);
    case Activation::kQuickGelu:
      return mul_rn(x, sigmoid_of(mul_rn(x, 1.702f)));
    case Activation::kRelu:
      return relu_of(x);
    case Activation::kRelu2:
      return mul_rn(relu_of(x), relu_of(x));
    case Activation::kSilu:
      return mul_rn(x, sigmoid_of(x));
    case Activation::kMish:
      return mish_of(x);
    case Activation::kTanh:
      return tanh_of(x);
    case Activation::kSigmoid:
      return sigmoid_of(x);
    case Activation::kRelu6:
      return relu6_of(x);
    case Activation::kLeakyRelu:
      return at_least(mul_rn(x, 0.01f), x);
    case Activation::kGelu10:
      return at_most(10.0f, at_least(-10.0f, gelu_of(x)));
    case Activation::kLaplace:
      return phi_of(mul_rn(sub_rn(x, 0.707107f), 1 / 0.282095f));
    case Activation::kHardSwish:
      return mul_rn(mul_rn(x, relu6_of(add_rn(x, 3.0f))), 1 / 6.0f);
    case Activation::kSqrtSoftplus:
      return sqrt_softplus_of(x);
  }
  return x;
}

}  // namespace tamis::cuda::device
