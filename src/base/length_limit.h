// Longest lengths in tokens, of which 0 is none: any length.
//
// Is: the one place that compares two of them. Is not: where they are read from. May use: nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tamis {

/// What both limits leave; 0 if neither limits.
[[nodiscard]] constexpr int64_t tighter_limit(int64_t a, int64_t b) {
  return a == 0 || b == 0 ? a + b : std::min(a, b);
}

}  // namespace tamis
