// q = round((y - low) / scale) to u8, row by row, with low and scale from the row's own range.
//
// Is: the per-token quantization of a linear layer's input, alone, behind a normalization, the
// embedding block or a gated linear unit. Is not: a quantizer of weights. May use: the contracts of
// layer_norm and embedding, so that per-ISA files can include it.
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

#include "kernels/reference/embedding_args.h"
#include "kernels/reference/glu_args.h"
#include "kernels/reference/layer_norm_args.h"
#include "kernels/reference/quantize_rows_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// A row of floats on the stack, 64 KiB.
inline constexpr int64_t kMostGluColumns = 16384;

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
  /// A gated linear unit of at most kMostGluColumns columns, then the quantization of its rows,
  /// which are stored nowhere: y, y_bf16 and y_f16 of `glu` are not looked at. GELU is good to
  /// 8e-5.
  void (*run_glu)(const GluArgs& glu, const QuantizeRowsArgs& quantize);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const QuantizeRowsKernel& select_quantize_rows(IsaSet isas);

}  // namespace tamis::kernels
