// NVIDIA's driver, found when the program runs.
//
// Is: a table of libcuda.so.1's functions, looked up once. Is not: linked: one program runs with
// and without the driver. May use: base.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tamis::device::cuda {

/// Immutable and thread-safe.
class Driver {
 public:
  /// The process's. Throws Error{kUnavailable}: no libcuda.so.1, one without a function that is
  /// needed, or one that does not start, with what it said; asked again it looks again.
  [[nodiscard]] static const Driver& get();

#define X(member, symbol, ...) int (*member)(__VA_ARGS__) = nullptr;
#include "device/cuda/driver_functions.inc"
#undef X

  /// As the driver counts: 1000 * major + 10 * minor.
  [[nodiscard]] int version() const { return version_; }
  /// Kernels that the driver brings itself, as the tests' double does; empty for NVIDIA's.
  [[nodiscard]] std::span<const std::byte> kernels() const;
  /// "CUDA_ERROR_OUT_OF_MEMORY".
  [[nodiscard]] std::string error_name(int error) const;

 private:
  Driver();

  int version_ = 0;
  const char* (*emulated_kernels_)() = nullptr;
};

/// "13.0"
[[nodiscard]] std::string version_text(int version);

}  // namespace tamis::device::cuda
