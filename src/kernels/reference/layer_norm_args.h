// What a normalization kernel is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// What rows are divided by.
enum class NormKind : uint8_t {
  kLayer,  ///< (s - mean(s)) / sqrt(var(s) + eps)
  kRms,    ///< s / sqrt(mean(s^2) + eps)
  kL2,     ///< s / max(sqrt(sum(s^2)), eps), as torch.nn.functional.normalize
};

/// Strides count elements. y may be x or residual, and sum may be x or residual; y and sum differ.
struct LayerNormArgs {
  NormKind kind = NormKind::kLayer;
  int64_t rows = 0;
  int64_t width = 0;
  /// Equal parts of a row that are each normalized alone, 1 where there is a residual or a sum;
  /// gamma and beta are of one part.
  int64_t parts = 1;
  const float* x = nullptr;
  int64_t ldx = 0;
  const float* residual = nullptr;  // or null
  int64_t ldr = 0;
  const float* gamma = nullptr;  // [width / parts], or null: 1
  const float* beta = nullptr;   // [width / parts], or null: 0; there only beside gamma
  float eps = 0;
  float* y = nullptr;
  int64_t ldy = 0;
  float* sum = nullptr;  // [rows, width], x + residual; null where it is not wanted
  int64_t lds = 0;
};

}  // namespace tamis::kernels
