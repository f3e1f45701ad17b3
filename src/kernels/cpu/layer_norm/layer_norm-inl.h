// One row of LayerNorm over vectors of sixteen lanes.
//
// Is: for per-ISA files (layer_norm, embedding), included after simd/vec_<isa>-inl.h, all in an
// anonymous namespace.
#pragma once

#include "kernels/cpu/layer_norm/layer_norm.h"

namespace tamis::kernels {
namespace {

// Calls body(j, count) for the vectors of a row; count is 16 but for the last.
template <typename Body>
TAMIS_INLINE void for_each_vector(int64_t width, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) body(j, kLanes);
  if (j < width) body(j, width - j);
}

// Full vectors take the plain instruction: count is a constant there once inlined.
TAMIS_INLINE Vec load_count(const float* p, int64_t count) {
  return count == kLanes ? load(p) : load_first(p, count);
}
TAMIS_INLINE void store_count(float* p, Vec x, int64_t count) {
  if (count == kLanes) {
    store(p, x);
  } else {
    store_first(p, x, count);
  }
}

struct NormParameters {
  const float* gamma;
  const float* beta;
  float eps;
};

// y = normalised x, given the vector of its partial sums; y may be x.
TAMIS_INLINE void normalize_row(int64_t width, const float* x, Vec sums,
                                const NormParameters& parameters, float* y) {
  const auto count_of_row = static_cast<float>(width);
  const Vec mean = set(sum_lanes(sums) / count_of_row);
  Vec squares = zero();
  for_each_vector(width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    Vec difference = load_count(x + j, count) - mean;
    if (count != kLanes) difference = keep_first(difference, count, zero());
    squares = fma(difference, difference, squares);
  });
  const float variance = sum_lanes(squares) / count_of_row;
  const Vec inverse = set(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + parameters.eps))));
  for_each_vector(width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec normal = (load_count(x + j, count) - mean) * inverse;
    const Vec gamma = load_count(parameters.gamma + j, count);
    store_count(y + j, fma(normal, gamma, load_count(parameters.beta + j, count)), count);
  });
}

TAMIS_INLINE void layer_norm_row(const LayerNormArgs& args, int64_t i) {
  const NormParameters parameters = {args.gamma, args.beta, args.eps};
  const float* x = args.x + i * args.ldx;
  float* y = args.y + i * args.ldy;
  Vec sums = zero();
  if (args.residual == nullptr && args.sum == nullptr) {
    for_each_vector(args.width, [&](int64_t j, int64_t count)
                                    TAMIS_LAMBDA { sums = sums + load_count(x + j, count); });
    return normalize_row(args.width, x, sums, parameters, y);
  }
  const float* residual = args.residual == nullptr ? nullptr : args.residual + i * args.ldr;
  float* sum = args.sum == nullptr ? y : args.sum + i * args.lds;
  for_each_vector(args.width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    Vec value = load_count(x + j, count);
    if (residual != nullptr) value = value + load_count(residual + j, count);
    store_count(sum + j, value, count);
    sums = sums + value;
  });
  normalize_row(args.width, sum, sums, parameters, y);
}

inline void layer_norm(const LayerNormArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) layer_norm_row(args, i);
}

}  // namespace
}  // namespace tamis::kernels
