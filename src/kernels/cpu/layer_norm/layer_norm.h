// y = normal(s) * gamma + beta, s = x or x + residual, row by row or part by part of a row; normal
// is one of NormKind's.
//
// Is: LayerNormalization, SkipLayerNormalization, RMSNormalization and TokenNormalize in float32.
// Is not: a choice of eps. May use: the argument struct only, so that per-ISA files can include it.
//
// Exactness. Mean and variance (of the differences from the mean) add in four chains of 16 lanes
// that are then summed as a fixed tree: all vector rows give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/layer_norm_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct LayerNormKernel {
  const char* name;  // "layer_norm_avx512"
  void (*run)(const LayerNormArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const LayerNormKernel& select_layer_norm(IsaSet isas);

}  // namespace tamis::kernels
