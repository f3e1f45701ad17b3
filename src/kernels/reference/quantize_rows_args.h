// What the per-token quantization of rows is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

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
  float* scale = nullptr;           // [rows]; NaN, as low, where a value of the row is not finite
  float* low = nullptr;             // [rows]
  int64_t outliers = 0;             // 0 to 8 columns whose x is copied out as it is
  const int32_t* outlier_columns = nullptr;  // [outliers]
  float* outlier_values = nullptr;           // [rows, 8]
};

}  // namespace tamis::kernels
