// One vector a sequence from the vectors of its tokens.
//
// Is: what the GPU's pooling is given. Is not: the kernel. May use: the argument struct's kinds.
//
// Exactness. Tokens are added in order, in float32: the bits of kernels/cpu/pooling, but for
// kVocabulary, whose log(1 + x) is good to 4 units in the last place.
#pragma once

#include <cstdint>

#include "kernels/reference/pooling_args.h"

namespace tamis::cuda {

/// Device memory; the rules of PoolingArgs. Launch with kPoolingThreads and a grid of
/// (sequences, width / kPoolingThreads rounded up).
struct PoolingParams {
  Pooling kind = Pooling::kMean;
  const int32_t* sequences = nullptr;   // [1]
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1]
  int width = 0;
  const float* x = nullptr;  // [tokens, width]
  float* y = nullptr;        // [sequences, ldy]
  int ldy = 0;
  const int32_t* unpooled = nullptr;  // [sequences]
};

inline constexpr int kPoolingThreads = 128;

}  // namespace tamis::cuda
