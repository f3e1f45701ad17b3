// What a gated linear unit is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use:
// base/activation.h only, so that per-ISA files can include it.
#pragma once

#include <cstdint>

#include "base/activation.h"

namespace tamis::kernels {

/// y = activation(gate) * up, both columns of x. Strides count elements. Nothing overlaps.
struct GluArgs {
  Activation activation = Activation::kNone;
  int64_t rows = 0;
  int64_t width = 0;                // columns of y
  const float* x = nullptr;         // [rows, 2 * width]; or one of the next two instead
  const uint16_t* x_f16 = nullptr;  // in half precision
  const uint16_t* x_bf16 = nullptr;
  int64_t ldx = 0;
  int64_t gate_column = 0;     // where the gate starts ...
  int64_t up_column = 0;       // ... and where what it multiplies
  float* y = nullptr;          // [rows, width]; or one of the next two instead
  uint16_t* y_bf16 = nullptr;  // rounded to bf16
  uint16_t* y_f16 = nullptr;   // in half precision, held to +-65504
  int64_t ldy = 0;
};

}  // namespace tamis::kernels
