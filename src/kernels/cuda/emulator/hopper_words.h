// What the words of device_hopper.h are made of.
//
// Is: calls from inside a body that launch() runs with Options::architecture 90; elsewhere each is
// a Fault.
#pragma once

#include <cstdint>

#include "kernels/cuda/emulator/emulator.h"
#include "kernels/cuda/tensor_map.h"

namespace tamis::cuda::emulator {

/// An mbarrier of 8 bytes at an address; no bytes of it may be accessed otherwise.
void mbarrier_init(uint32_t barrier, uint32_t arrivals);
void fence_mbarrier_init();
/// Arrives once, and lets the phase expect so many bytes more.
void mbarrier_arrive(uint32_t barrier, uint32_t bytes);
/// Waits until the phase of that parity is complete.
void mbarrier_wait(uint32_t barrier, uint32_t parity);

/// cp.async.bulk.tensor.2d of a box that begins at a byte of a row. It lands later; until then the
/// place holds no value.
void copy_box(uint32_t to, const TensorMap& map, int byte, int row, uint32_t barrier);

void wgmma_fence();
/// d += a b^T of a warpgroup's 64 rows and `columns`, 32 bytes of k. d are columns / 2 sums of a
/// lane, and hold none until the product is waited for.
void wgmma_u8s8(int32_t* d, int columns, uint64_t a, uint64_t b);
void wgmma_commit();
/// Waits until at most `pending` of the warp's groups are on their way.
void wgmma_wait(int pending);

/// setmaxnreg to so many a thread.
void set_registers(int registers);

}  // namespace tamis::cuda::emulator
