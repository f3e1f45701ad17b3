// C = activation(A W^T + bias) + residual; A u8 a row with scale and low, W s8 a channel.
//
// Is: what the GPU's gemm_s8 is given. Is not: the kernel. May use: gemm_tile.h.
//
// Maths: that of kernels/cpu/gemm_s8, with the same roundings in the same order, so that all bits
// are the CPU's, on every tile.
#pragma once

#include "kernels/cuda/gemm/gemm_tile.h"
#include "kernels/cuda/rows/rows.h"

namespace tamis::cuda {

/// Device memory. Rows of a and w begin at multiples of kGemmRowBytes and are padded to them; what
/// lies behind k in a row of w must be 0, in one of a it may be anything. Launch with the tile's
/// threads, its shared bytes and a grid of (n / columns, m / rows), rounded up; blocks behind the
/// last row leave at once.
struct GemmS8Params {
  const int32_t* m = nullptr;  // [1]
  int k = 0;
  int lda = 0;
  int ldw = 0;
  const uint8_t* a = nullptr;
  const int8_t* w = nullptr;
  const float* scale = nullptr;         // [m]
  const float* low = nullptr;           // [m]
  const float* weight_scale = nullptr;  // [n]
  const float* colsum = nullptr;        // [n]
  int outliers = 0;
  const float* outlier_values = nullptr;   // [m, 8]
  const float* outlier_weights = nullptr;  // [outliers, n]
  GemmEpilogue epilogue;
  /// What the block that finishes the last column tile of a row tile does with its rows of c: a
  /// group is a row tile. Kernels compiled for kNone take tails with a norm, others such without.
  RowTail tail;
};

}  // namespace tamis::cuda
