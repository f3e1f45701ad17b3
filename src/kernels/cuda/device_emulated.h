// The vocabulary's body for the emulator. Include device.h.
#pragma once

#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "kernels/cuda/emulator/words.h"

#define TAMIS_DEVICE inline
/// A function that is called, where copies of it in every place would be most of a kernel.
#define TAMIS_DEVICE_CALL inline
#define TAMIS_UNROLL

namespace tamis::cuda::device {

TAMIS_DEVICE int thread_x() { return static_cast<int>(emulator::position().thread.x); }
TAMIS_DEVICE int block_x() { return static_cast<int>(emulator::position().block.x); }
TAMIS_DEVICE int block_y() { return static_cast<int>(emulator::position().block.y); }

/// Where the block's shared memory begins.
TAMIS_DEVICE uint32_t shared_base() { return 0; }

TAMIS_DEVICE void sync_block() { emulator::block_barrier(); }
TAMIS_DEVICE void sync_warp() { emulator::warp_barrier(); }
/// Barrier `id`, 1 to 15, for `threads` threads: whole warps, and not all of the block's need come.
TAMIS_DEVICE void sync_named(int id, int threads) { emulator::named_barrier(id, threads); }

/// The value of lane (own lane ^ mask); all 32 lanes come.
template <typename T>
TAMIS_DEVICE T shuffle_xor(T value, int mask) {
  static_assert(sizeof(T) == 4);
  struct Args {
    T in;
    T out;
    int mask;
  };
  Args args = {value, value, mask};
  emulator::warp_collective(
      [](void* const* lanes) {
        for (int lane = 0; lane < emulator::kLanes; ++lane) {
          auto* own = static_cast<Args*>(lanes[lane]);
          own->out = static_cast<Args*>(lanes[lane ^ own->mask])->in;
        }
      },
      &args, "shuffle_xor");
  return args.out;
}

/// The value of lane 0, of which the compiler then knows that it is the whole warp's.
TAMIS_DEVICE uint32_t uniform(uint32_t value) {
  emulator::warp_collective(
      [](void* const* lanes) {
        for (int lane = 1; lane < emulator::kLanes; ++lane) {
          *static_cast<uint32_t*>(lanes[lane]) = *static_cast<const uint32_t*>(lanes[0]);
        }
      },
      &value, "uniform");
  return value;
}

/// Global memory: p is aligned to T, and what load_global() reads no kernel writes meanwhile.
template <typename T>
TAMIS_DEVICE T load_global(const T* p) {
  emulator::note_global(p, sizeof(T), emulator::GlobalAccess::kConstant);
  return *p;
}
template <typename T>
TAMIS_DEVICE void store_global(T* p, T value) {
  emulator::note_global(p, sizeof(T), emulator::GlobalAccess::kWrite);
  *p = value;
}

/// What another block of the same launch wrote: it is seen if a fence_device() stood behind its
/// stores and before a count_up(), and another stood behind the count_up() that found it counted.
/// Barriers pass both on within a block.
template <typename T>
TAMIS_DEVICE T load_fresh(const T* p) {
  emulator::note_global(p, sizeof(T), emulator::GlobalAccess::kFresh);
  return *p;
}
/// Adds 1 for all blocks to see; returns what was there.
TAMIS_DEVICE uint32_t count_up(uint32_t* p) { return emulator::count_global(p); }
/// Orders this thread's accesses before it, and those that it has seen, before those behind it, for
/// all blocks.
TAMIS_DEVICE void fence_device() { emulator::note_fence(); }

/// Shared memory: `address` is aligned to what is moved.
TAMIS_DEVICE void store_shared32(uint32_t address, uint32_t value) {
  std::memcpy(emulator::shared_at(address, 4, true), &value, 4);
}
TAMIS_DEVICE void store_shared128(uint32_t address, Vec4 value) {
  std::memcpy(emulator::shared_at(address, 16, true), &value, 16);
}
TAMIS_DEVICE uint32_t load_shared32(uint32_t address) {
  uint32_t value = 0;
  std::memcpy(&value, emulator::shared_at(address, 4, false), 4);
  return value;
}
TAMIS_DEVICE Vec2 load_shared64(uint32_t address) {
  Vec2 value;
  std::memcpy(&value, emulator::shared_at(address, 8, false), 8);
  return value;
}
TAMIS_DEVICE Vec4 load_shared128(uint32_t address) {
  Vec4 value;
  std::memcpy(&value, emulator::shared_at(address, 16, false), 16);
  return value;
}

/// Four 8x8 matrices of 16 bits; lane l gives the address of row l % 8 of matrix l / 8.
TAMIS_DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address) {
  emulator::load_matrices(r, address, false);
}
TAMIS_DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
  emulator::load_matrices(r, address, true);
}
/// d += a b: a u8 [16, 32] by rows, b s8 [32, 8] by columns.
TAMIS_DEVICE void multiply_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulator::multiply_u8s8(d, a, b0, b1);
}
/// d += a b: a [16, 16] by rows, b [16, 8] by columns, bf16, and f16 on Turing.
TAMIS_DEVICE void multiply_b16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulator::multiply_b16(d, a, b0, b1);
}

/// 16 bytes from global to shared memory beside the work, of which `valid` are copied and the rest
/// made 0; there once their group has been waited for, and others see them after a barrier.
TAMIS_DEVICE void copy_async(uint32_t to, const void* from, int valid) {
  emulator::copy_async(to, from, static_cast<uint32_t>(valid));
}
TAMIS_DEVICE void copy_commit() { emulator::copy_commit(); }
template <int kPending>
TAMIS_DEVICE void copy_wait() {
  emulator::copy_wait(kPending);
}

/// Two floats rounded to the 16-bit floats of multiply_b16(), the first in the low half.
TAMIS_DEVICE uint32_t pack_b16(float low, float high) {
  const bool half = emulator::architecture() < 80;
  const uint32_t first = half ? float_to_f16(low) : float_to_bf16(low);
  const uint32_t second = half ? float_to_f16(high) : float_to_bf16(high);
  return first | second << 16;
}

/// Two floats held to +-65504 and rounded to IEEE half precision; NaN stays NaN.
TAMIS_DEVICE uint32_t pack_f16_held(float low, float high) {
  const auto held = [](float x) {
    return uint32_t{float_to_f16(x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x)};
  };
  return held(low) | held(high) << 16;
}

TAMIS_DEVICE float float_of(uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}
TAMIS_DEVICE uint32_t bits_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  return bits;
}
/// IEEE half precision, to nearest, ties to even.
TAMIS_DEVICE float float_of_f16(uint16_t bits) { return f16_to_float(bits); }
TAMIS_DEVICE uint16_t f16_of(float value) { return float_to_f16(value); }
/// Back from one half of what pack_b16() gives.
TAMIS_DEVICE float float_of_b16(uint16_t bits) {
  return emulator::architecture() < 80 ? f16_to_float(bits) : bf16_to_float(bits);
}
TAMIS_DEVICE float fma_rn(float a, float b, float c) { return std::fma(a, b, c); }
TAMIS_DEVICE float mul_rn(float a, float b) { return a * b; }
TAMIS_DEVICE float add_rn(float a, float b) { return a + b; }
TAMIS_DEVICE float sub_rn(float a, float b) { return a - b; }
TAMIS_DEVICE float div_rn(float a, float b) { return a / b; }
TAMIS_DEVICE float sqrt_rn(float a) { return std::sqrt(a); }
/// 2^x within two units of the last place on the device, exact here.
TAMIS_DEVICE float exp2_fast(float x) { return std::exp2(x); }
/// log2(x), the same.
TAMIS_DEVICE float log2_fast(float x) { return std::log2(x); }
TAMIS_DEVICE float to_float(int32_t value) { return static_cast<float>(value); }
/// To the nearest integer, ties to even.
TAMIS_DEVICE int32_t round_even(float value) { return static_cast<int32_t>(std::nearbyint(value)); }
TAMIS_DEVICE float absolute(float x) { return std::fabs(x); }
/// The other where one is NaN.
TAMIS_DEVICE float max_of(float a, float b) { return std::fmax(a, b); }
TAMIS_DEVICE float min_of(float a, float b) { return std::fmin(a, b); }

}  // namespace tamis::cuda::device
