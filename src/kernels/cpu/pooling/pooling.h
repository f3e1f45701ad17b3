// One vector a sequence from the vectors of its tokens.
//
// Is: the poolings of sentence-transformers (models/Pooling.py and SpladePooling's max) over ragged
// batches. Is not: the Dense and Normalize that may follow. May use: nothing, so that per-ISA files
// can include it.
//
// Exactness. Tokens are added in order, in float32: all vector rows give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/pooling_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct PoolingKernel {
  const char* name;  // "pooling_avx512"
  void (*run)(const PoolingArgs& args);
};

/// y[i] = log(1 + y[i]) of y >= 0 in float32, NaN stays NaN; most of a vocabulary's are 0.
void log1p_values(int64_t n, float* y);

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const PoolingKernel& select_pooling(IsaSet isas);

}  // namespace tamis::kernels
