// How floats become integers.
#pragma once

#include <cstdint>

namespace tamis {

enum class QuantScheme : uint8_t {
  kPerTokenU8,   ///< activation: u8 per row with a zero point, range found at run time
  kPerTokenS8,   ///< activation: symmetric s8 per row (+128 in the kernel), range at run time
  kStaticS8,     ///< symmetric s8 per tensor, scale = amax / 127
  kStaticU8,     ///< asymmetric u8 per tensor from [low, high]
  kPerChannelS8  ///< weight: symmetric s8 per output row, scale = max |w| / 127
};

}  // namespace tamis
