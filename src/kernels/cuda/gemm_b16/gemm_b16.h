// C = activation(A W^T + bias) + residual; A and W in 16-bit floats, sums in float32.
//
// Is: what the GPU's gemm_b16 is given. Is not: the kernel. May use: gemm_tile.h.
//
// Exactness. A product of two is exact; a block of 16 of k is added in an order of the card's, the
// blocks in theirs: |error| <= k eps sum|a||w|, eps = 2^-24. k is never split, so bits depend
// neither on m nor on the row's place.
#pragma once

#include "kernels/cuda/gemm/gemm_tile.h"

namespace tamis::cuda {

/// Device memory. Rows of a and w begin at multiples of kGemmRowBytes and are padded to them with
/// zeros.
/// Launched as GemmS8Params; not with a tile that splits k.
struct GemmB16Params {
  const int32_t* m = nullptr;  // [1]
  int lda = 0;                 // elements
  int ldw = 0;
  const uint16_t* a = nullptr;
  const uint16_t* w = nullptr;
  GemmEpilogue epilogue;
};

}  // namespace tamis::cuda
