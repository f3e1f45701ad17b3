// What device_emulated.h makes its words of. Only from inside a body that launch() runs.
#pragma once

#include <cstdint>

#include "kernels/cuda/emulator/emulator.h"
#include "kernels/cuda/emulator/global_order.h"

namespace tamis::cuda::emulator {

struct Position {
  Dim thread;
  Dim block;
};
[[nodiscard]] const Position& position();
[[nodiscard]] int architecture();

/// What the last lane to arrive does for all: `lanes` holds what each passed.
using Collective = void (*)(void* const* lanes);
/// Waits for the whole warp. Lanes that meet different collectives are a Fault.
void warp_collective(Collective run, void* args, const char* name);
void block_barrier();
void warp_barrier();
/// Barrier `id` of 16, for `threads` threads of the block, whole warps.
void named_barrier(int id, int threads);

/// `bytes` of shared memory at an offset: aligned, inside, and noted as read or written by the
/// running thread.
[[nodiscard]] unsigned char* shared_at(uint32_t address, uint32_t bytes, bool write);
/// Notes an access to global memory; it must be aligned to its size.
void note_global(const void* address, uint32_t bytes, GlobalAccess access);
/// Adds 1 to a counter in global memory, notes that, and returns what was there.
[[nodiscard]] uint32_t count_global(uint32_t* counter);
/// Notes that the running thread's accesses are ordered for all blocks.
void note_fence();

/// cp.async of 16 bytes, of which `valid` are copied and the rest made 0. Until its group is waited
/// for, the target holds no value.
void copy_async(uint32_t to, const void* from, uint32_t valid);
void copy_commit();
/// Waits until at most `pending` of the thread's groups are on their way.
void copy_wait(int pending);

/// ldmatrix.x4 of b16: lane l gives the row address of row l % 8 of matrix l / 8.
void load_matrices(uint32_t (&registers)[4], uint32_t address, bool transposed);
/// d += a b: a u8 [16, 32] by rows, b s8 [32, 8] by columns.
void multiply_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
/// d += a b in 16-bit floats, a [16, 16] by rows, b [16, 8] by columns: bf16, or f16 on Turing.
void multiply_b16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

}  // namespace tamis::cuda::emulator
