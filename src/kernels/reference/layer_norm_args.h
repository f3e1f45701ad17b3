// What a LayerNorm kernel is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

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

}  // namespace tamis::kernels
