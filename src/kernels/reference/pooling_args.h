// What a pooling kernel is given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: base/pooling.h, so
// that per-ISA files can include it.
#pragma once

#include <cstdint>

#include "base/pooling.h"

namespace tamis::kernels {

/// Strides count elements. A sequence without tokens gives zeros. y overlaps nothing.
struct PoolingArgs {
  Pooling kind = Pooling::kMean;
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1]
  int64_t sequences = 0;
  int64_t width = 0;
  const float* x = nullptr;  // [tokens, width]
  int64_t ldx = 0;
  float* y = nullptr;  // [sequences, width]
  int64_t ldy = 0;
};

}  // namespace tamis::kernels
