// What a value is kept in between two kernels.
//
// Is: a name for a type, and rows of it in device memory. Is not: a tensor. May use: nothing.
#pragma once

#include <cstdint>

namespace tamis::cuda {

enum class Stored : int32_t {
  kF32,
  kF16,  ///< IEEE half precision; what is stored is held to +-65504
  kB16,  ///< the 16-bit float that the card multiplies: bf16, and f16 on Turing
};

constexpr int stored_bytes(Stored stored) { return stored == Stored::kF32 ? 4 : 2; }

/// Device memory; null: not there.
struct Values {
  const void* data = nullptr;
  Stored stored = Stored::kF32;
};
struct MutableValues {
  void* data = nullptr;
  Stored stored = Stored::kF32;
};

}  // namespace tamis::cuda
