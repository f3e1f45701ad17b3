// One row of quantization over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/embedding/embedding-inl.h"
#include "kernels/cpu/layer_norm/layer_norm-inl.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"
#include "kernels/cpu/simd/glu-inl.h"

namespace tamis::kernels {
namespace {

// y of a row; kScaled: of x times multiply less offset.
template <typename Row, bool kScaled>
struct ScaledRow {
  Row x;
  const float* multiply;
  const float* offset;
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    const Vec value = x.at(j, count);
    if (!kScaled) return value;
    return fms(value, load_count(multiply + j, count), load_count(offset + j, count));
  }
};

struct RowRange {
  float low;
  float high;
};

// The least and greatest of a row's vectors, taken in chains (for_each_in_chains()). NaN among
// numbers may be passed over: levels_of_row() finds it.
struct RangeFinder {
  Vec least[kChains];
  Vec most[kChains];

  TAMIS_INLINE RangeFinder() {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) {
      least[c] = set(3.402823466e+38f);
      most[c] = zero() - least[c];
    }
  }
  TAMIS_INLINE void take(int c, int64_t count, Vec value) {
    if (count == kLanes) {
      least[c] = min(least[c], value);
      most[c] = max(most[c], value);
    } else {
      const Vec greatest = set(3.402823466e+38f);
      least[c] = min(least[c], keep_first(value, count, greatest));
      most[c] = max(most[c], keep_first(value, count, zero() - greatest));
    }
  }
  [[nodiscard]] TAMIS_INLINE RowRange range() const {
    const Vec lowest = min(min(least[0], least[1]), min(least[2], least[3]));
    const Vec highest = max(max(most[0], most[1]), max(most[2], most[3]));
    return {0.0f - max_lanes(zero() - lowest), max_lanes(highest)};
  }
};

// False if a level is NaN: then one of y is not finite. Looking at the packed integers costs one
// operation for sixteen levels.
template <typename Y>
TAMIS_INLINE bool levels_of_row(const Y& y, int64_t width, float low, float inverse, uint8_t* q) {
  const Vec lows = set(low);
  const Vec factor = set(inverse);
  const auto level = [&](int64_t j, int64_t count)
                         TAMIS_LAMBDA { return (y.at(j, count) - lows) * factor; };
  SeenBits seen;
  int64_t j = 0;
  for (; j + 4 * kLanes <= width; j += 4 * kLanes) {
    store_bytes_of_four(q + j, level(j, kLanes), level(j + kLanes, kLanes),
                        level(j + 2 * kLanes, kLanes), level(j + 3 * kLanes, kLanes), seen);
  }
  for (; j + kLanes <= width; j += kLanes) store_bytes(q + j, level(j, kLanes), seen);
  if (j < width) {
    const int64_t count = width - j;
    store_bytes_first(q + j, keep_first(level(j, count), count, zero()), (count + 3) / 4 * 4, seen);
  }
  return !seen.negative();
}

// Rows up to this width are kept between the two looks at them, 16 KiB in the L1: halves are
// widened and rows scaled once (1,536 halves: 155 ns a row instead of 198, scaled 185 instead of
// 222).
constexpr int64_t kKeptWidth = 4096;
struct KeptRow {
  alignas(64) float values[kKeptWidth];
};

// The row y whose range is known; outliers come from x.
template <typename Row, typename Y>
TAMIS_INLINE void quantize_row_within(const QuantizeRowsArgs& args, RowRange ends, Row x,
                                      const Y& y, int64_t row) {
  const float range = ends.high - ends.low;
  const bool flat = !(range >= 1e-30f);
  args.low[row] = ends.low;
  args.scale[row] = flat ? 0.0f : range / 255.0f;
  const float inverse = flat ? 0.0f : 255.0f / range;
  if (!levels_of_row(y, args.width, ends.low, inverse, args.q + row * args.ldq)) {
    args.low[row] = args.scale[row] = __builtin_nanf("");
  }
  for (int64_t r = 0; r < args.outliers; ++r) {
    args.outlier_values[row * 8 + r] = x.one(args.outlier_columns[r]);
  }
}

template <typename Row, bool kScaled>
TAMIS_INLINE void quantize_row(const QuantizeRowsArgs& args, Row x, int64_t row) {
  const ScaledRow<Row, kScaled> y = {x, args.multiply, args.offset};
  RangeFinder finder;
  for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count)
                                     TAMIS_LAMBDA { finder.take(c, count, y.at(j, count)); });
  quantize_row_within(args, finder.range(), x, y, row);
}

template <typename Row, bool kScaled>
TAMIS_INLINE void quantize_kept_row(const QuantizeRowsArgs& args, Row x, int64_t row, float* kept) {
  const ScaledRow<Row, kScaled> y = {x, args.multiply, args.offset};
  RangeFinder finder;
  for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    const Vec value = y.at(j, count);
    store_count(kept + j, value, count);
    finder.take(c, count, value);
  });
  quantize_row_within(args, finder.range(), x, FloatRow{kept}, row);
}

template <typename Row, bool kScaled>
inline void quantize_each(const QuantizeRowsArgs& args, const decltype(Row::p) x) {
  constexpr bool kPlain = !kScaled && sizeof(*x) == sizeof(float);
  if (kPlain || args.width > kKeptWidth) {
    for (int64_t i = 0; i < args.rows; ++i) quantize_row<Row, kScaled>(args, {x + i * args.ldx}, i);
    return;
  }
  KeptRow kept;
  for (int64_t i = 0; i < args.rows; ++i) {
    quantize_kept_row<Row, kScaled>(args, {x + i * args.ldx}, i, kept.values);
  }
}

template <typename Row, typename Element>
TAMIS_INLINE void quantize_all(const QuantizeRowsArgs& args, const Element* x) {
  if (args.multiply == nullptr) return quantize_each<Row, false>(args, x);
  quantize_each<Row, true>(args, x);
}

inline void quantize_rows(const QuantizeRowsArgs& args) {
  if (args.x_f16 != nullptr) return quantize_all<HalfRow>(args, args.x_f16);
  if (args.x_bf16 != nullptr) return quantize_all<Bf16Row>(args, args.x_bf16);
  quantize_all<FloatRow>(args, args.x);
}

TAMIS_INLINE const float* normed_row(const LayerNormArgs& norm, int64_t row) {
  return norm.y + row * norm.ldy;
}
TAMIS_INLINE const float* normed_row(const EmbeddingArgs& embedding, int64_t row) {
  return embedding.y + row * embedding.ldy;
}

template <typename Each>
TAMIS_INLINE void norm_row(const LayerNormArgs& norm, int64_t row, const Each& each) {
  layer_norm_row(norm, row, each);
}
template <typename Each>
TAMIS_INLINE void norm_row(const EmbeddingArgs& embedding, int64_t row, const Each& each) {
  embedding_row(embedding, row, each);
}

// One row: its range is found while the LayerNorm that ends `norm` has it in registers. Keeping a
// scaled row is no faster here, where the loop that finds the range stores y already (384 columns:
// 140 against 130 ns).
template <bool kScaled, typename Norm>
TAMIS_INLINE void norm_and_quantize_row(const Norm& norm, const QuantizeRowsArgs& quantize,
                                        int64_t row) {
  RangeFinder finder;
  norm_row(norm, row, [&](int c, int64_t j, int64_t count, Vec y) TAMIS_LAMBDA {
    if (kScaled) {
      y = fms(y, load_count(quantize.multiply + j, count), load_count(quantize.offset + j, count));
    }
    finder.take(c, count, y);
  });
  const FloatRow x = {normed_row(norm, row)};
  const ScaledRow<FloatRow, kScaled> y = {x, quantize.multiply, quantize.offset};
  quantize_row_within(quantize, finder.range(), x, y, row);
}

template <typename Norm>
void norm_and_quantize(const Norm& norm, const QuantizeRowsArgs& quantize) {
  if (quantize.multiply == nullptr) {
    for (int64_t i = 0; i < quantize.rows; ++i) norm_and_quantize_row<false>(norm, quantize, i);
  } else {
    for (int64_t i = 0; i < quantize.rows; ++i) norm_and_quantize_row<true>(norm, quantize, i);
  }
}

// A row of the unit is kept in the L1 until it is quantized, and goes nowhere else.
inline void glu_and_quantize(const GluArgs& glu, const QuantizeRowsArgs& quantize) {
  alignas(64) float kept[kMostGluColumns];
  const FloatRow x = {kept};
  for (int64_t i = 0; i < quantize.rows; ++i) {
    glu_row<true>(glu, i, [&](int64_t j, int64_t count, Vec y) TAMIS_LAMBDA {
      store_count(kept + j, y, count);
    });
    if (quantize.multiply == nullptr) {
      quantize_row<FloatRow, false>(quantize, x, i);
    } else {
      quantize_row<FloatRow, true>(quantize, x, i);
    }
  }
}

}  // namespace
}  // namespace tamis::kernels
