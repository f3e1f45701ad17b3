// q = round((y - low) / scale) to u8, row by row, with low and scale from the row's own range.
//
// Is: the per-token quantization of a linear layer's input, alone, behind a LayerNorm or behind the
// embedding block. Is not: a quantizer of weights. May use: the contracts of layer_norm and
// embedding, so that per-ISA files can include it.
//
// Maths, one float rounding a line, the same on every row of kernels.inc, reference included:
//   y = fma(x, multiply, -offset)       (y = x where multiply is null)
//   low = min(y) + 0 (so that -0 is 0), range = max(y) - low
//   scale = range / 255, inverse = 255 / range; both 0 where range < 1e-30
//   q = nearest, ties to even, of (y - low) * inverse
// A column with multiply = offset = 0 counts as 0: that is how outlier columns leave the product.
// A row with a NaN is quantized to something; infinities and NaN are for the caller to refuse.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/embedding/embedding.h"
#include "kernels/cpu/layer_norm/layer_norm.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Strides count elements. Nothing overlaps.
struct QuantizeRowsArgs {
  int64_t rows = 0;
  int64_t width = 0;
  const float* x = nullptr;         // [rows, width]; or one of the next two instead
  const uint16_t* x_f16 = nullptr;  // in half precision
  const uint16_t* x_bf16 = nullptr;
  int64_t ldx = 0;
  const float* multiply = nullptr;  // [width], 1 / s of each channel; null: all 1
  const float* offset = nullptr;    // [width], z / s; there if multiply is
  uint8_t* q = nullptr;             // [rows, width]; bytes up to the next multiple of four become 0
  int64_t ldq = 0;                  // >= width rounded up to four
  float* scale = nullptr;           // [rows]
  float* low = nullptr;             // [rows]
  int64_t outliers = 0;             // 0 to 8 columns whose x is copied out as it is
  const int32_t* outlier_columns = nullptr;  // [outliers]
  float* outlier_values = nullptr;           // [rows, 8]
};

/// Thread-safe.
struct QuantizeRowsKernel {
  const char* name;  // "quantize_rows_avx512"
  void (*run)(const QuantizeRowsArgs& args);
  /// LayerNorm, then the quantization of its y while a row is in the L1: `quantize` has the same
  /// rows and width; its x, x_f16, x_bf16 and ldx are not looked at.
  void (*run_layer_norm)(const LayerNormArgs& norm, const QuantizeRowsArgs& quantize);
  /// The same behind an embedding block with a LayerNorm; `quantize` has as many rows as there are
  /// tokens.
  void (*run_embedding)(const EmbeddingArgs& embedding, const QuantizeRowsArgs& quantize);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const QuantizeRowsKernel& select_quantize_rows(IsaSet isas);

}  // namespace tamis::kernels
