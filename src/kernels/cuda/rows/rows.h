// Rows: what they are made of, a normalization, and the quantization to u8, alone or together.
//
// Is: what the GPU's row kernel is given: it does layer_norm, embedding, glu and quantize_rows in
// one pass over a row that stays in registers. Is not: the kernel. May use: base/activation.h.
//
// Maths. The quantization is that of kernels/cpu/quantize_rows, bit for bit. Normalizations are
// float32: sums by pairs in a fixed order, the variance around the mean; they differ from the CPU's
// in the last bits of their sums.
#pragma once

#include <cstdint>

#include "base/activation.h"
#include "base/outliers.h"
#include "kernels/cuda/values.h"

namespace tamis::cuda {

enum class RowNorm : int32_t {
  kNone,
  kLayer,
  kRms,
  kL2,  ///< x over its length, at least epsilon
};

/// A table of rows, and which of them; no ids: row 0 for all.
struct RowTable {
  const float* rows = nullptr;   // [any, width]
  const int32_t* ids = nullptr;  // [rows]
};

/// Pointers are to device memory; rows are `width` values one behind the other, aligned to 16 bytes
/// where width is a multiple of four. Null leaves a part out.
struct RowsParams {
  const int32_t* rows = nullptr;  // [1], and
  int parts = 1;                  // as many times that many rows
  int width = 0;
  // A row is a sum of tables' rows, if there is a first; or act(gate) * up if gate_column is not
  // negative; or x, plus residual.
  RowTable tables[3];
  Values x;              // [rows, width], or [rows, 2 * width] for the unit
  int gate_column = -1;  // 0 or width
  Activation activation = Activation::kNone;
  const float* short_gelu = nullptr;  // as GemmEpilogue
  const float* residual = nullptr;    // [rows, width]
  RowNorm norm = RowNorm::kNone;
  float epsilon = 0;
  const float* gamma = nullptr;     // [width], 1 where it is null
  const float* beta = nullptr;      // [width]
  MutableValues y;                  // [rows, width]: the result
  const float* multiply = nullptr;  // [width], and
  const float* offset = nullptr;    // [width]: as QuantizeRowsArgs has them
  uint8_t* q = nullptr;             // [rows, ldq]
  int ldq = 0;                      // a multiple of 16, at least width
  float* scale = nullptr;           // [rows]; NaN, as low, where a value of the row is not finite
  float* low = nullptr;             // [rows]
  int outliers = 0;
  const int32_t* outlier_columns = nullptr;
  float* outlier_values = nullptr;  // [rows, kMaxOutliers]
};

/// What a kernel does with rows that it makes itself: blocks that finish a part of a group of rows
/// count themselves, and the last does the group's rows, with the bits of a row kernel of its own.
/// Of `rows` it takes an x that is what the kernel made. Without a norm: the quantization alone,
/// for up to kMostTailColumns. With one, in kernels that say so: residual, norm, y and
/// quantization, for up to kMostNormTailColumns.
struct RowTail {
  uint32_t* finished = nullptr;  // [groups], 0 before and after; null: no tail
  RowsParams rows;
};
inline constexpr int kMostNormTailColumns =
    1024;  // a warp a row, as kNarrowRows: one order of sums
inline constexpr int kMostTailColumns = 4096;

/// Warps that share a row, rows of a block, and the width up to which four values a lane and vector
/// hold one.
struct RowShape {
  int warps;
  int rows;
  int vectors;

  [[nodiscard]] constexpr int threads() const { return warps * rows * 32; }
  [[nodiscard]] constexpr int shared_bytes() const { return warps > 1 ? warps * 4 : 0; }
  [[nodiscard]] constexpr int most_columns() const { return warps * 128 * vectors; }
};
inline constexpr RowShape kNarrowRows = {1, 4, 8};   // to 1,024
inline constexpr RowShape kWideRows = {8, 1, 4};     // to 4,096
inline constexpr RowShape kWidestRows = {8, 1, 16};  // to 16,384

}  // namespace tamis::cuda
