// One row of quantization over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/layer_norm/layer_norm-inl.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"

namespace tamis::kernels {
namespace {

// y of the columns from j on.
TAMIS_INLINE Vec scaled(const QuantizeRowsArgs& args, const float* x, int64_t j, int64_t count) {
  const Vec value = load_count(x + j, count);
  if (args.multiply == nullptr) return value;
  const Vec offset = zero() - load_count(args.offset + j, count);
  return fma(value, load_count(args.multiply + j, count), offset);
}

TAMIS_INLINE void quantize_row(const QuantizeRowsArgs& args, const float* x, int64_t row) {
  const Vec greatest = set(3.402823466e+38f);
  Vec least = greatest;
  Vec most = zero() - greatest;
  for_each_vector(args.width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec y = scaled(args, x, j, count);
    if (count == kLanes) {
      least = min(least, y);
      most = max(most, y);
    } else {
      least = min(least, keep_first(y, count, greatest));
      most = max(most, keep_first(y, count, zero() - greatest));
    }
  });
  const float low = 0.0f - max_lanes(zero() - least);
  const float range = max_lanes(most) - low;
  const bool flat = !(range >= 1e-30f);
  args.low[row] = low;
  args.scale[row] = flat ? 0.0f : range / 255.0f;
  const Vec inverse = set(flat ? 0.0f : 255.0f / range);
  const Vec lows = set(low);
  uint8_t* q = args.q + row * args.ldq;
  for_each_vector(args.width, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec y = (scaled(args, x, j, count) - lows) * inverse;
    if (count == kLanes) {
      store_bytes(q + j, y);
    } else {
      store_bytes_first(q + j, keep_first(y, count, zero()), (count + 3) / 4 * 4);
    }
  });
  for (int64_t r = 0; r < args.outliers; ++r) {
    args.outlier_values[row * 8 + r] = x[args.outlier_columns[r]];
  }
}

inline void quantize_rows(const QuantizeRowsArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) quantize_row(args, args.x + i * args.ldx, i);
}

inline void layer_norm_quantized(const LayerNormArgs& norm, const QuantizeRowsArgs& quantize) {
  for (int64_t i = 0; i < norm.rows; ++i) {
    layer_norm_row(norm, i);
    quantize_row(quantize, norm.y + i * norm.ldy, i);
  }
}

}  // namespace
}  // namespace tamis::kernels
