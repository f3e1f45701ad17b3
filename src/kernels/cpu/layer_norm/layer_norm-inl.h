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

// As for_each_vector(), body(c, j, count) with c of four chains: vectors by fours, what is left to
// chain 0. Sums in one chain would wait for the adder at every vector.
constexpr int kChains = 4;
template <typename Body>
TAMIS_INLINE void for_each_in_chains(int64_t width, const Body& body) {
  int64_t j = 0;
  for (; j + kChains * kLanes <= width; j += kChains * kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) body(c, j + c * kLanes, kLanes);
  }
  for (; j + kLanes <= width; j += kLanes) body(0, j, kLanes);
  if (j < width) body(0, j, width - j);
}

TAMIS_INLINE float sum_chains(const Vec (&x)[kChains]) {
  return sum_lanes((x[0] + x[1]) + (x[2] + x[3]));
}

TAMIS_INLINE void clear_chains(Vec (&x)[kChains]) {
#pragma GCC unroll 4
  for (int c = 0; c < kChains; ++c) x[c] = zero();
}

struct NormParameters {
  const float* gamma;
  const float* beta;
  float eps;
};

// y = normalised x, given its sum; y may be x. each(c, j, count, y) sees every vector of the
// result.
template <typename Each>
TAMIS_INLINE void normalize_row(int64_t width, const float* x, float sum,
                                const NormParameters& parameters, float* y, const Each& each) {
  const auto count_of_row = static_cast<float>(width);
  const Vec mean = set(sum / count_of_row);
  Vec squares[kChains];
  clear_chains(squares);
  for_each_in_chains(width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    Vec difference = load_count(x + j, count) - mean;
    if (count != kLanes) difference = keep_first(difference, count, zero());
    squares[c] = fma(difference, difference, squares[c]);
  });
  const float variance = sum_chains(squares) / count_of_row;
  const Vec inverse = set(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + parameters.eps))));
  for_each_in_chains(width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec normal = (load_count(x + j, count) - mean) * inverse;
    const Vec gamma = load_count(parameters.gamma + j, count);
    const Vec result = fma(normal, gamma, load_count(parameters.beta + j, count));
    store_count(y + j, result, count);
    each(c, j, count, result);
  });
}

template <typename Each>
TAMIS_INLINE void layer_norm_row(const LayerNormArgs& args, int64_t i, const Each& each) {
  const NormParameters parameters = {args.gamma, args.beta, args.eps};
  const float* x = args.x + i * args.ldx;
  float* y = args.y + i * args.ldy;
  Vec sums[kChains];
  clear_chains(sums);
  if (args.residual == nullptr && args.sum == nullptr) {
    for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
      sums[c] = sums[c] + load_count(x + j, count);
    });
    return normalize_row(args.width, x, sum_chains(sums), parameters, y, each);
  }
  const float* residual = args.residual == nullptr ? nullptr : args.residual + i * args.ldr;
  float* sum = args.sum == nullptr ? y : args.sum + i * args.lds;
  for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    Vec value = load_count(x + j, count);
    if (residual != nullptr) value = value + load_count(residual + j, count);
    store_count(sum + j, value, count);
    sums[c] = sums[c] + value;
  });
  normalize_row(args.width, sum, sum_chains(sums), parameters, y, each);
}

// The `each` of rows that nothing else is done with.
struct Nothing {
  TAMIS_INLINE void operator()(int, int64_t, int64_t, Vec) const {}
};

inline void layer_norm(const LayerNormArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) layer_norm_row(args, i, Nothing{});
}

}  // namespace
}  // namespace tamis::kernels
