// Rotary positions: pairs of columns of each head, turned by an angle of the row's place.
//
// Is: what the GPU's rotary is given. Is not: the kernel. May use: values.h.
//
// Exactness: the bits of kernels/cpu/rotary; angles come from the same table.
#pragma once

#include <cstdint>

#include "kernels/cuda/values.h"

namespace tamis::cuda {

/// Device memory; fields as RotaryArgs has them, cosines and sines by place and not by row. Launch
/// with kRotaryThreads and a block for each row.
struct RotaryParams {
  const int32_t* rows = nullptr;    // [1]
  const int32_t* places = nullptr;  // [rows]
  int width = 0;
  int heads = 0;
  int head_size = 0;
  int pairs = 0;
  bool interleaved = false;
  const float* cosine = nullptr;  // [places, angles]
  const float* sine = nullptr;
  int angles = 0;
  Values x;         // [rows, width]
  MutableValues y;  // [rows, width], not x
};

inline constexpr int kRotaryThreads = 128;

}  // namespace tamis::cuda
