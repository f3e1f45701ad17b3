// What kernel tests share: launches on the emulator.
//
// Is: for tests only.
#pragma once

#include <cstdint>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cuda/emulator/boxed_rows.h"
#include "kernels/cuda/emulator/emulator.h"

namespace tamis::cuda::testing {

using kernels::testing::Guarded;
using kernels::testing::random_floats;

/// A number that kernels read, such as that of the rows.
inline Guarded<int32_t> number(int32_t value) {
  Guarded<int32_t> one(1);
  one[0] = value;
  return one;
}

/// Runs Kernel on a grid of columns x rows blocks.
template <typename Kernel, typename Params>
emulator::Counters run(const Params& params, unsigned columns, unsigned rows, int threads,
                       int shared_bytes, const emulator::Options& options = {}) {
  return emulator::launch(
      {{columns, rows}, {static_cast<unsigned>(threads)}, static_cast<size_t>(shared_bytes)},
      [&] { Kernel::run(params); }, options);
}

/// A card of compute capability 9.0.
inline emulator::Options on_hopper(uint64_t seed = 1) {
  emulator::Options options;
  options.seed = seed;
  options.architecture = 90;
  options.shared_limit = size_t{227} * 1024;
  return options;
}

/// Rows of `stride` bytes in boxes of so many rows of 128, swizzled.
inline TensorMap map_rows(const void* data, int rows, int stride, int box_rows) {
  const auto bytes = static_cast<uint64_t>(stride);
  return *emulator::make_map({static_cast<const unsigned char*>(data), bytes,
                              static_cast<uint64_t>(rows), bytes, 128,
                              static_cast<uint32_t>(box_rows), true});
}

constexpr unsigned blocks(int n, int size) { return static_cast<unsigned>((n + size - 1) / size); }

}  // namespace tamis::cuda::testing
