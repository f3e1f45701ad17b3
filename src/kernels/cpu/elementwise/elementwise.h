// Activations, sums and products over contiguous float32, and gated linear units row by row.
//
// Is: passes over memory that no GEMM or LayerNorm took in. Is not: broadcasting arithmetic. May
// use: base/activation.h and the argument structs only, so that per-ISA files can include it.
//
// Exactness. All vector rows give the same bits; an element does not depend on its place. Bounds of
// the activations, eps = 2^-24, for every finite x: kGelu |error| <= 4 eps max(|x|, 2^-100);
// the others: see elementwise_test.cc, one row each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/activation.h"
#include "kernels/reference/glu_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe. y may be x (or a, or b); otherwise nothing overlaps.
struct ElementwiseKernel {
  const char* name;  // "elementwise_avx512"
  /// y[i] = activation(x[i])
  void (*activate)(Activation activation, int64_t n, const float* x, float* y);
  /// y[i] = a[i] + b[i]
  void (*add)(int64_t n, const float* a, const float* b, float* y);
  /// y[i] = a[i] * b[i]
  void (*multiply)(int64_t n, const float* a, const float* b, float* y);
  /// y[i] = x[i] * factor
  void (*scale)(int64_t n, const float* x, float factor, float* y);
  /// y[i] = x[i] as bf16, rounded to nearest, ties to even; NaN stays NaN
  void (*to_bf16)(int64_t n, const float* x, uint16_t* y);
  /// y = activation(gate) * up, row by row. Where y has 16 bits, GELU is good to 8e-5, as in a
  /// product that is stored so.
  void (*glu)(const GluArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const ElementwiseKernel& select_elementwise(IsaSet isas);

}  // namespace tamis::kernels
