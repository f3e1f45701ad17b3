// What a rotary embedding is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// Strides count elements. y may be x of the same type and stride; otherwise nothing overlaps.
struct RotaryArgs {
  int64_t rows = 0;
  int64_t width = 0;      // columns of x and y; those behind the heads are copied
  int64_t heads = 0;      // turned, from column 0
  int64_t head_size = 0;  // heads * head_size <= width
  int64_t pairs = 0;      // turned in each head, 2 * pairs <= head_size; the others are copied
  /// Pair i is columns 2 i and 2 i + 1 of its head; otherwise i and i + pairs.
  bool interleaved = false;
  /// Of row r's place: pairs values, or, interleaved, 2 * pairs: each cosine twice, each sine once
  /// negated and once as it is.
  const float* cosine = nullptr;  // [rows, ld_angles]
  const float* sine = nullptr;    // [rows, ld_angles]
  int64_t ld_angles = 0;
  const float* x = nullptr;  // [rows, width]; or in half precision
  const uint16_t* x_f16 = nullptr;
  int64_t ldx = 0;
  float* y = nullptr;  // [rows, width]; or rounded to bf16
  uint16_t* y_bf16 = nullptr;
  int64_t ldy = 0;
};

struct RotaryTableArgs {
  int64_t first = 0;
  int64_t count = 0;  // of places
  int64_t pairs = 0;
  bool interleaved = false;
  const float* frequencies = nullptr;  // [sets, pairs]
  float scale = 1.0f;
  float* cosine = nullptr;  // [count, sets, pairs], or [count, sets, 2 * pairs] if interleaved
  float* sine = nullptr;
  int64_t sets = 1;  // rows of a place, one for each row of frequencies
};

}  // namespace tamis::kernels
