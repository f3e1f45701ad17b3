// C = activation(A W^T + bias) + residual, A and W in bf16, sums in float32.
//
// Is: the GEMM of every linear layer in BF16. Is not: a general BLAS; W is constant and k is never
// split. May use: base/activation.h only, so that per-ISA files can include it.
//
// Exactness. A product of two bf16 is exact in float32. Rows with a bf16 dot product (avx512_bf16)
// add pairs as vdpbf16ps does (two roundings to nearest even a pair, subnormals as zero); amx adds
// 32 k at a time as tdpbf16ps does (the even and the odd k in a chain each, subnormals as zero);
// the others (avx2, avx512) widen and run one FMA chain over k. Within each of the three kinds all
// rows give the same bits, whatever m, the row's place or the panel range; which kind runs is the
// ISA set's choice alone. Against the exact sum |error| <= k eps sum|a||w|, eps = 2^-24, plus k
// 2^-126. GELU and its tanh form are short polynomials here, |error| <= 1e-4.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/gemm_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// W as Hugging Face stores it: [n, k] row-major, out x in; pack() rounds it to bf16.
struct GemmBf16Weights {
  int64_t n = 0;
  int64_t k = 0;
  const float* w = nullptr;
  int64_t ldw = 0;
};

/// Functions are thread-safe; calls on disjoint panel ranges may run at once.
struct GemmBf16Kernel {
  const char* name;  // "gemm_bf16_avx512_bf16"
  int64_t nr;        // columns a panel; there are ceil(n / nr) panels
  /// Bytes that pack() writes for all panels; the memory must be aligned to 64.
  size_t (*packed_bytes)(int64_t n, int64_t k);
  /// Packs panels [panel_begin, panel_end); `packed` is the start of the whole.
  void (*pack)(const GemmBf16Weights& weights, int64_t panel_begin, int64_t panel_end,
               void* packed);
  /// Computes the columns of panels [panel_begin, panel_end) for all m rows.
  void (*run)(const GemmBf16Args& args, int64_t panel_begin, int64_t panel_end);
};

/// Panels of `n` columns.
constexpr int64_t gemm_bf16_panels(const GemmBf16Kernel& kernel, int64_t n) {
  return (n + kernel.nr - 1) / kernel.nr;
}

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const GemmBf16Kernel& select_gemm_bf16(IsaSet isas);

}  // namespace tamis::kernels
