// The words that cards of compute capability 9.0 alone have: copies of boxes, barriers that count
// bytes, and products of 64 rows that read shared memory themselves.
//
// Is: device.h for kernels of kernels.inc's HOPPER rows; two bodies like those. Is not: a kernel.
// May use: device.h.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/tensor_map.h"

#ifdef __CUDACC__
#include "kernels/cuda/device_hopper_ptx.h"
#else
#include "kernels/cuda/device_hopper_emulated.h"
#endif

namespace tamis::cuda::device {

/// Rows of a box and of an operand, in bytes; chunk c of 16 bytes of row r lies at c ^ r % 8, and
/// eight rows begin at a multiple of kSwizzleBytes.
inline constexpr int kBoxRowBytes = 128;
inline constexpr int kSwizzleBytes = 8 * kBoxRowBytes;

/// What wgmma_u8s8() is told of an operand: rows of kBoxRowBytes as copy_box() lays them, from byte
/// address % kBoxRowBytes of each on. PTX ISA, "Matrix Descriptor": the address and the distance of
/// eight rows from the next eight in units of 16 bytes, and the 128-byte swizzle.
TAMIS_DEVICE uint64_t swizzled_operand(uint32_t address) {
  return uint64_t{address >> 4 & 0x3fff} | uint64_t{1} << 16 | uint64_t{kSwizzleBytes / 16} << 32 |
         uint64_t{1} << 62;
}

/// The operand so many bytes further on, a multiple of 16; addresses have 18 bits.
TAMIS_DEVICE uint64_t advanced(uint64_t operand, uint32_t bytes) { return operand + bytes / 16; }

}  // namespace tamis::cuda::device
