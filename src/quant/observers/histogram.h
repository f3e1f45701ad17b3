// How often each magnitude came by: the histogram of pytorch-quantization's calibrator.
//
// Is: rule N3, bin for bin: the first batch sets 2048 bins over [0, its largest]; a larger value
// later adds bins of the same width. Is not: a histogram for other purposes. May use: nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quant/observers/observer.h"

namespace tamis::quant {

/// Not thread-safe.
class MagnitudeHistogram {
 public:
  static constexpr size_t kFirstBins = 2048;
  // 512 times the first batch's largest value; for what is above it bins get wider.
  static constexpr size_t kMostBins = size_t{1} << 20;

  /// Takes in |values|, one batch of them; those that are not finite are left out.
  void add(std::span<const float> values);

  [[nodiscard]] bool empty() const { return total_ == 0; }
  [[nodiscard]] std::span<const int64_t> counts() const { return counts_; }
  [[nodiscard]] int64_t total() const { return total_; }
  /// The left edge of bin i, in float32 as the original computes it.
  [[nodiscard]] float left_edge(size_t i) const;
  [[nodiscard]] float width() const { return width_; }
  /// The smallest and largest value seen, with their signs.
  [[nodiscard]] float lowest() const { return lowest_; }
  [[nodiscard]] float highest() const { return highest_; }
  /// [lowest, highest] without what lies above amax.
  [[nodiscard]] Range clipped(float amax) const;

 private:
  // Where values grow beyond kMostBins of the first ones' width: each two bins become one.
  void join_pairs();

  std::vector<int64_t> counts_;
  int64_t total_ = 0;
  float width_ = 0;
  float last_edge_ = 0;
  bool extended_ = false;
  float lowest_ = 0;
  float highest_ = 0;
};

}  // namespace tamis::quant
