// C = activation(A W^T + bias) + residual in float32.
//
// Is: what the GPU's gemm_f32 is given. Is not: the kernel. May use: gemm_tile.h.
//
// Exactness. Each sum is one chain of fused multiply-adds over k in order, starting from zero, then
// + bias, activation, + residual: the bits of kernels/cpu/gemm_f32.
#pragma once

#include "kernels/cuda/gemm/gemm_tile.h"

namespace tamis::cuda {

/// Device memory. Launch with kGemmF32Threads, kGemmF32SharedBytes and a grid of (n, m) over
/// kGemmF32Tile, rounded up.
struct GemmF32Params {
  const int32_t* m = nullptr;  // [1]
  int k = 0;
  const float* a = nullptr;  // [m, k]
  const float* w = nullptr;  // [n, k]
  GemmEpilogue epilogue;
};

inline constexpr int kGemmF32Tile = 64;   // rows and columns
inline constexpr int kGemmF32Depth = 16;  // of k
inline constexpr int kGemmF32Threads = 256;
inline constexpr int kGemmF32SharedBytes = 2 * kGemmF32Depth * (kGemmF32Tile + 4) * 4;

}  // namespace tamis::cuda
