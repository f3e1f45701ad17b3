// Sixteen independent accumulators (12 where there are 16 registers), enough to cover a latency of
// four cycles at two instructions a cycle.
//
// Is: for per-ISA files, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/peak/peak_loops.h"

namespace tamis::kernels {
namespace {

// step(accumulator) returns the next accumulator; the empty asm keeps each in a register and stops
// the compiler from seeing through the loop.
template <int kCount, typename Register, typename Step>
inline __attribute__((always_inline)) Register repeat(int64_t iterations, Register start,
                                                      const Step& step) {
  Register acc[kCount];
#pragma GCC unroll 16
  for (int j = 0; j < kCount; ++j) acc[j] = start;
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kCount; ++j) {
      acc[j] = step(acc[j]);
      __asm__ volatile("" : "+v"(acc[j]));
    }
  }
  Register all = acc[0];
#pragma GCC unroll 16
  for (int j = 1; j < kCount; ++j) all = step(all) + acc[j];
  return all;
}

}  // namespace
}  // namespace tamis::kernels
