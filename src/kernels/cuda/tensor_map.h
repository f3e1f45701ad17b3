// What a card's copying unit is told of a matrix: words that the driver writes and kernels pass on.
//
// Is: a place for CUtensorMap of NVIDIA's cuda.h. Is not: how it is made
// (device/cuda/tensor_map.h). May use: nothing.
#pragma once

#include <cstdint>

namespace tamis::cuda {

struct alignas(64) TensorMap {
  uint64_t words[16] = {};
};

}  // namespace tamis::cuda
