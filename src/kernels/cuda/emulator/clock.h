// What is known to have happened before: how far each warp is, and each mbarrier.
//
// Is: a vector clock by warps, with a part for each mbarrier's phases. Is not: time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tamis::cuda::emulator {

class Clock {
 public:
  [[nodiscard]] uint32_t of_warp(int warp) const { return get(warps_, warp); }
  [[nodiscard]] uint32_t of_barrier(int barrier) const { return get(barriers_, barrier); }
  void set_warp(int warp, uint32_t moment) { set(warps_, warp, moment); }
  void set_barrier(int barrier, uint32_t phases) { set(barriers_, barrier, phases); }
  /// From here on also what `other` knows.
  void join(const Clock& other) {
    join(warps_, other.warps_);
    join(barriers_, other.barriers_);
  }

 private:
  using Parts = std::vector<uint32_t>;

  static uint32_t get(const Parts& parts, int i) {
    const auto at = static_cast<size_t>(i);
    return at < parts.size() ? parts[at] : 0;
  }
  static void set(Parts& parts, int i, uint32_t value) {
    const auto at = static_cast<size_t>(i);
    if (at >= parts.size()) parts.resize(at + 1);
    parts[at] = value;
  }
  static void join(Parts& parts, const Parts& other) {
    if (parts.size() < other.size()) parts.resize(other.size());
    for (size_t i = 0; i < other.size(); ++i) parts[i] = std::max(parts[i], other[i]);
  }

  Parts warps_;
  Parts barriers_;
};

}  // namespace tamis::cuda::emulator
