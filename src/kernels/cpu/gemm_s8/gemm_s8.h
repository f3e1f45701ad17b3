// C = activation(A W^T + bias) + residual, A quantized to u8 token by token, W to s8 channel by
// channel.
//
// Is: the GEMM of every linear layer in INT8. Is not: a general integer GEMM. May use:
// base/activation.h only, so that per-ISA files can include it.
//
// Maths. a[i][p] = low[i] + scale[i] * q[i][p] and w[j][p] = weight_scale[j] * s[j][p], so that
//   sum over p of a w = weight_scale[j] * (scale[i] * acc + low[i] * colsum[j]),
// acc = sum of q s in int32, exact (k <= 66,000), colsum[j] = sum of s[j][p].
// Outlier columns: up to eight inputs whose s are all zero are added in float instead.
//
// Exactness. acc is the same integer on every row of kernels.inc. The float part is, with one
// rounding a line:
//   x = fma(float(acc), scale[i], low[i] * colsum[j])        (low * colsum rounded first)
//   y = fma(x, weight_scale[j], bias[j])                     (bias 0 where there is none)
//   y = fma(outlier_values[i][r], outlier_weights[r][j], y)  for r = 0, 1, ...
// then activation, then + residual: all vector rows give the same bits, whatever m, the row's place
// or the panel range. The reference row does the float part in double. GELU and its tanh form are
// short polynomials here, |error| <= 1e-4: a level of the 8 bits that follow is 1e-2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/gemm_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Functions are thread-safe; calls on disjoint panel ranges may run at once.
struct GemmS8Kernel {
  const char* name;  // "gemm_s8_avx512_vnni"
  int64_t nr;        // columns a panel; there are ceil(n / nr) panels
  /// Bytes that pack() writes for all panels; the memory must be aligned to 64.
  size_t (*packed_bytes)(int64_t n, int64_t k);
  /// Bytes from the start of one packed panel to the next.
  int64_t (*panel_bytes)(int64_t k);
  /// Packs panels [panel_begin, panel_end) with their scales and column sums; `packed` is the start
  /// of the whole.
  void (*pack)(const GemmS8Weights& weights, int64_t panel_begin, int64_t panel_end, void* packed);
  /// Computes the columns of panels [panel_begin, panel_end) for all m rows.
  void (*run)(const GemmS8Args& args, int64_t panel_begin, int64_t panel_end);
};

/// Panels of `n` columns.
constexpr int64_t gemm_s8_panels(const GemmS8Kernel& kernel, int64_t n) {
  return (n + kernel.nr - 1) / kernel.nr;
}

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const GemmS8Kernel& select_gemm_s8(IsaSet isas);

}  // namespace tamis::kernels
