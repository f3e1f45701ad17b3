// One row of a normalization over vectors of sixteen lanes.
//
// Is: for per-ISA files (layer_norm, embedding), included after simd/vec_<isa>-inl.h, all in an
// anonymous namespace.
#pragma once

#include "kernels/cpu/layer_norm/layer_norm.h"
#include "kernels/cpu/simd/row-inl.h"

namespace tamis::kernels {
namespace {

// Calls body(c, j, count) for the vectors of a row, with c of four chains: vectors by fours, what
// is left to chain 0; count is 16 but for the last. Sums in one chain would wait for the adder at
// every vector.
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
  const float* gamma;  // or null
  const float* beta;   // or null
  float eps;
  NormKind kind = NormKind::kLayer;
};

// The CPU's instruction, correctly rounded.
TAMIS_INLINE float root(float x) { return __builtin_sqrtf(x); }

// What the differences from the mean are multiplied by, given the sum of their squares.
TAMIS_INLINE float inverse_of(const NormParameters& parameters, int64_t width, float squares) {
  if (parameters.kind == NormKind::kL2) {
    const float length = root(squares);
    return 1.0f / (length < parameters.eps ? parameters.eps : length);
  }
  return 1.0f / root(squares / static_cast<float>(width) + parameters.eps);
}

// y = normalized x, given its sum (of kLayer; the others take nothing away); y may be x. each(c, j,
// count, y) sees every vector of the result.
template <typename Each>
TAMIS_INLINE void normalize_row(int64_t width, const float* x, float sum,
                                const NormParameters& parameters, float* y, const Each& each) {
  const bool centered = parameters.kind == NormKind::kLayer;
  const Vec mean = centered ? set(sum / static_cast<float>(width)) : zero();
  Vec squares[kChains];
  clear_chains(squares);
  for_each_in_chains(width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    Vec difference = load_count(x + j, count) - mean;
    if (count != kLanes) difference = keep_first(difference, count, zero());
    squares[c] = fma(difference, difference, squares[c]);
  });
  const Vec inverse = set(inverse_of(parameters, width, sum_chains(squares)));
  const auto finish = [&](const auto& scaled) TAMIS_LAMBDA {
    for_each_in_chains(width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
      const Vec result = scaled((load_count(x + j, count) - mean) * inverse, j, count);
      store_count(y + j, result, count);
      each(c, j, count, result);
    });
  };
  if (parameters.gamma == nullptr)
    return finish([](Vec normal, int64_t, int64_t) TAMIS_LAMBDA { return normal; });
  if (parameters.beta == nullptr)
    return finish([&](Vec normal, int64_t j, int64_t count)
                      TAMIS_LAMBDA { return normal * load_count(parameters.gamma + j, count); });
  finish([&](Vec normal, int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec gamma = load_count(parameters.gamma + j, count);
    return fma(normal, gamma, load_count(parameters.beta + j, count));
  });
}

template <typename Each>
TAMIS_INLINE void layer_norm_row(const LayerNormArgs& args, int64_t i, const Each& each) {
  const NormParameters parameters = {args.gamma, args.beta, args.eps, args.kind};
  const float* x = args.x + i * args.ldx;
  float* y = args.y + i * args.ldy;
  Vec sums[kChains];
  clear_chains(sums);
  if (args.residual == nullptr && args.sum == nullptr) {
    if (args.kind != NormKind::kLayer) return normalize_row(args.width, x, 0, parameters, y, each);
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

// Row i, each of its parts alone.
TAMIS_INLINE void normalize_parts(const LayerNormArgs& args, int64_t i) {
  LayerNormArgs part = args;
  part.width = args.width / args.parts;
  for (int64_t p = 0; p < args.parts; ++p) {
    layer_norm_row(part, i, Nothing{});
    part.x += part.width;
    part.y += part.width;
  }
}

inline void layer_norm(const LayerNormArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) normalize_parts(args, i);
}

}  // namespace
}  // namespace tamis::kernels
