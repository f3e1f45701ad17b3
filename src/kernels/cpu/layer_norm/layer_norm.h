// y = (s - mean(s)) / sqrt(var(s) + eps) * gamma + beta, s = x or x + residual, row by row.
//
// Is: LayerNormalization and SkipLayerNormalization in float32. Is not: RMSNorm. May use: nothing,
// so that per-ISA files can include it.
//
// Exactness. Mean and variance (of the differences from the mean) add in four chains of 16 lanes
// that are then summed as a fixed tree: all vector rows give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Strides count elements. y may be x or residual, and sum may be x or residual; y and sum differ.
struct LayerNormArgs {
  int64_t rows = 0;
  int64_t width = 0;
  const float* x = nullptr;
  int64_t ldx = 0;
  const float* residual = nullptr;  // or null
  int64_t ldr = 0;
  const float* gamma = nullptr;  // [width]
  const float* beta = nullptr;   // [width]
  float eps = 0;
  float* y = nullptr;
  int64_t ldy = 0;
  float* sum = nullptr;  // [rows, width], x + residual; null where it is not wanted
  int64_t lds = 0;
};

/// Thread-safe.
struct LayerNormKernel {
  const char* name;  // "layer_norm_avx512"
  void (*run)(const LayerNormArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const LayerNormKernel& select_layer_norm(IsaSet isas);

}  // namespace tamis::kernels
