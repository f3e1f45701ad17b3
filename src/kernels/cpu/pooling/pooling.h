// One vector a sequence from the vectors of its tokens.
//
// Is: the poolings of sentence-transformers (models/Pooling.py) over ragged batches. Is not: the
// Dense and Normalize that may follow. May use: nothing, so that per-ISA files can include it.
//
// Exactness. Tokens are added in order, in float32: all vector rows give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

enum class Pooling : uint8_t {
  kCls,           // the first token
  kMean,          // sum / length
  kMax,           // the greatest, channel by channel
  kMeanSqrtLen,   // sum / sqrt(length)
  kWeightedMean,  // sum of (t + 1) x_t / sum of (t + 1)
  kLastToken,
};

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

/// Thread-safe.
struct PoolingKernel {
  const char* name;  // "pooling_avx512"
  void (*run)(const PoolingArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const PoolingKernel& select_pooling(IsaSet isas);

}  // namespace tamis::kernels
