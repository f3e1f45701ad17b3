// The words of device_hopper.h for the emulator.
#pragma once

#include "kernels/cuda/emulator/hopper_words.h"

namespace tamis::cuda::device {

/// A barrier of 8 bytes in shared memory that counts arrivals, and bytes of boxes: a phase is
/// complete when all have come, and the next begins. One thread makes it and fences it; others use
/// it behind a block barrier.
TAMIS_DEVICE void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  emulator::mbarrier_init(barrier, arrivals);
}
TAMIS_DEVICE void fence_mbarrier_init() { emulator::fence_mbarrier_init(); }
TAMIS_DEVICE void mbarrier_arrive(uint32_t barrier) { emulator::mbarrier_arrive(barrier, 0); }
/// Arrives, and lets the phase wait for so many bytes of boxes.
TAMIS_DEVICE void mbarrier_arrive_expecting(uint32_t barrier, uint32_t bytes) {
  emulator::mbarrier_arrive(barrier, bytes);
}
/// Waits until the phase of that parity (0 of the first) is complete; what came before the
/// arrivals, and the boxes, are seen from there on. Of a new barrier the phase of parity 1 counts
/// as complete.
TAMIS_DEVICE void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  emulator::mbarrier_wait(barrier, parity);
}
/// One thread copies the box of the map that begins at a byte of a row, into rows one behind the
/// other; its bytes count at the barrier when they are there. What lies outside the matrix is 0.
TAMIS_DEVICE void copy_box(uint32_t to, const TensorMap& map, int byte, int row, uint32_t barrier) {
  emulator::copy_box(to, map, byte, row, barrier);
}

/// Orders accesses to a warpgroup's registers before its products; stands before the first of each
/// group.
TAMIS_DEVICE void wgmma_fence() { emulator::wgmma_fence(); }
/// d += a b^T: a u8 [64, 32], b s8 [columns, 32] behind descriptors (swizzled_operand()). A warp of
/// the group's four has 16 rows; d[j * 4 + r] of a lane is row lane / 4, 8 below for r of 2 and 3,
/// column j * 8 + 2 (lane % 4), the next for odd r. d holds nothing until the product is waited
/// for.
TAMIS_DEVICE void wgmma_u8s8(int32_t (&d)[64], uint64_t a, uint64_t b) {
  emulator::wgmma_u8s8(d, 128, a, b);
}
TAMIS_DEVICE void wgmma_u8s8(int32_t (&d)[128], uint64_t a, uint64_t b) {
  emulator::wgmma_u8s8(d, 256, a, b);
}
TAMIS_DEVICE void wgmma_commit() { emulator::wgmma_commit(); }
/// Waits until at most kPending of the warpgroup's groups of products are on their way.
template <int kPending>
TAMIS_DEVICE void wgmma_wait() {
  emulator::wgmma_wait(kPending);
}

/// A warpgroup's threads keep so many registers, and leave the others to whoever takes them.
template <int kRegisters>
TAMIS_DEVICE void give_registers() {
  emulator::set_registers(kRegisters);
}
/// Waits until there are so many for each thread of the warpgroup.
template <int kRegisters>
TAMIS_DEVICE void take_registers() {
  emulator::set_registers(kRegisters);
}

}  // namespace tamis::cuda::device
