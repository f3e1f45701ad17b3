// C = activation(A * W^T + bias) + residual in float32, W packed once.
//
// Is: the GEMM of every linear layer in fp32. Is not: a general BLAS; W is constant and k is never
// split. May use: base/activation.h only, so that per-ISA files can include it.
//
// Exactness. Each output is one chain of fused multiply-adds over k = 0, 1, ... in order, starting
// from zero, then + bias, activation, + residual. Every vector row (avx2, avx512) therefore gives
// the same bits for the same output, whatever m, the row's position, the panel range or the
// threads. The reference row sums in double and agrees to |error| <= k eps sum|a||w|.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/activation.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Strides count elements. No alignment is asked for but that of float. c may be residual itself
/// (the same pointer and stride), and overlaps nothing else. Nothing behind the last element of an
/// operand is touched.
struct GemmF32Args {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* a = nullptr;  // [m, k]
  int64_t lda = 0;
  const float* packed = nullptr;  // what pack() wrote, of the same kernel, n and k
  const float* bias = nullptr;    // [n], or null
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // [m, n], or null; added after the activation
  int64_t ldr = 0;
  float* c = nullptr;  // [m, n]
  int64_t ldc = 0;
};

/// W as Hugging Face stores it: [n, k] row-major, out x in.
struct GemmF32Weights {
  int64_t n = 0;
  int64_t k = 0;
  const float* w = nullptr;
  int64_t ldw = 0;
};

/// Functions are thread-safe; calls on disjoint panel ranges may run at once.
struct GemmF32Kernel {
  const char* name;  // "gemm_f32_avx512"
  int64_t nr;        // columns a panel; there are ceil(n / nr) panels
  /// Bytes that pack() writes for all panels; the memory must be aligned to 64.
  size_t (*packed_bytes)(int64_t n, int64_t k);
  /// Packs panels [panel_begin, panel_end); `packed` is the start of the whole.
  void (*pack)(const GemmF32Weights& weights, int64_t panel_begin, int64_t panel_end,
               float* packed);
  /// Computes the columns of panels [panel_begin, panel_end) for all m rows.
  void (*run)(const GemmF32Args& args, int64_t panel_begin, int64_t panel_end);
};

/// Panels of `n` columns.
constexpr int64_t gemm_f32_panels(const GemmF32Kernel& kernel, int64_t n) {
  return (n + kernel.nr - 1) / kernel.nr;
}

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const GemmF32Kernel& select_gemm_f32(IsaSet isas);

}  // namespace tamis::kernels
