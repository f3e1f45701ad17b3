// What CUDA kernels are written in: one vocabulary with two bodies, PTX under nvcc and the emulator
// elsewhere.
//
// Is: the only words of a kernel: no asm, no __shared__, no pointer into shared memory (it is an
// offset), one dynamic block of shared memory. Float words round once, to nearest, in the order
// written. Is not: a kernel. May use: nothing under nvcc.
#pragma once

#include <cstdint>

namespace tamis::cuda::device {

struct alignas(16) Vec4 {
  uint32_t x, y, z, w;
};
struct alignas(8) Vec2 {
  uint32_t x, y;
};

}  // namespace tamis::cuda::device

#ifdef __CUDACC__
#include "kernels/cuda/device_ptx.h"
#else
#include "kernels/cuda/device_emulated.h"
#endif

namespace tamis::cuda::device {

/// x held to a bound on one side; x where it is NaN.
TAMIS_DEVICE float at_least(float bound, float x) { return bound > x ? bound : x; }
TAMIS_DEVICE float at_most(float bound, float x) { return bound < x ? bound : x; }
TAMIS_DEVICE uint16_t b16_of(float value) { return static_cast<uint16_t>(pack_b16(value, value)); }

/// Sum and greatest of a value of each lane, in all lanes.
TAMIS_DEVICE float warp_sum(float value) {
  TAMIS_UNROLL
  for (int step = 16; step > 0; step /= 2) value = add_rn(value, shuffle_xor(value, step));
  return value;
}
TAMIS_DEVICE float warp_max(float value) {
  TAMIS_UNROLL
  for (int step = 16; step > 0; step /= 2) value = max_of(value, shuffle_xor(value, step));
  return value;
}

}  // namespace tamis::cuda::device
