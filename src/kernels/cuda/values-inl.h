// Loads and stores of values of any type that they are kept in.
//
// Is: for kernels, included after device.h. Is not: a kernel.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/values.h"

namespace tamis::cuda::device {

TAMIS_DEVICE float float_of_16(Stored stored, uint16_t bits) {
  return stored == Stored::kF16 ? float_of_f16(bits) : float_of_b16(bits);
}

TAMIS_DEVICE uint16_t bits16_of(Stored stored, float x) {
  return stored == Stored::kF16 ? f16_of(at_most(65504.0f, at_least(-65504.0f, x))) : b16_of(x);
}

/// load_fresh(), or load_global().
template <bool kFresh, typename T>
TAMIS_DEVICE T load_either(const T* p) {
  if constexpr (kFresh) {
    return load_fresh(p);
  } else {
    return load_global(p);
  }
}

template <bool kFresh = false>
TAMIS_DEVICE float load_value(Values from, int64_t at) {
  if (from.stored == Stored::kF32) {
    return load_either<kFresh>(static_cast<const float*>(from.data) + at);
  }
  return float_of_16(from.stored,
                     load_either<kFresh>(static_cast<const uint16_t*>(from.data) + at));
}

/// Four neighbors; `at` is a multiple of four, and data aligned to four values.
template <bool kFresh = false>
TAMIS_DEVICE void load_four(Values from, int64_t at, float (&v)[4]) {
  if (from.stored == Stored::kF32) {
    const auto* p = static_cast<const float*>(from.data) + at;
    const Vec4 words = load_either<kFresh>(reinterpret_cast<const Vec4*>(p));
    v[0] = float_of(words.x);
    v[1] = float_of(words.y);
    v[2] = float_of(words.z);
    v[3] = float_of(words.w);
    return;
  }
  const auto* p = static_cast<const uint16_t*>(from.data) + at;
  const Vec2 pairs = load_either<kFresh>(reinterpret_cast<const Vec2*>(p));
  v[0] = float_of_16(from.stored, static_cast<uint16_t>(pairs.x));
  v[1] = float_of_16(from.stored, static_cast<uint16_t>(pairs.x >> 16));
  v[2] = float_of_16(from.stored, static_cast<uint16_t>(pairs.y));
  v[3] = float_of_16(from.stored, static_cast<uint16_t>(pairs.y >> 16));
}

TAMIS_DEVICE void store_value(MutableValues to, int64_t at, float x) {
  if (to.stored == Stored::kF32) return store_global(static_cast<float*>(to.data) + at, x);
  store_global(static_cast<uint16_t*>(to.data) + at, bits16_of(to.stored, x));
}

/// Two neighbors; `at` is even.
TAMIS_DEVICE void store_two(MutableValues to, int64_t at, float first, float second) {
  if (to.stored == Stored::kF32) {
    auto* p = static_cast<float*>(to.data) + at;
    return store_global(reinterpret_cast<Vec2*>(p), Vec2{bits_of(first), bits_of(second)});
  }
  auto* p = static_cast<uint16_t*>(to.data) + at;
  const uint32_t low = bits16_of(to.stored, first);
  const uint32_t high = bits16_of(to.stored, second);
  store_global(reinterpret_cast<uint32_t*>(p), low | high << 16);
}

/// Four neighbors, as load_four().
TAMIS_DEVICE void store_four(MutableValues to, int64_t at, const float (&v)[4]) {
  if (to.stored != Stored::kF32) {
    store_two(to, at, v[0], v[1]);
    return store_two(to, at + 2, v[2], v[3]);
  }
  auto* p = static_cast<float*>(to.data) + at;
  store_global(reinterpret_cast<Vec4*>(p),
               Vec4{bits_of(v[0]), bits_of(v[1]), bits_of(v[2]), bits_of(v[3])});
}

}  // namespace tamis::cuda::device
