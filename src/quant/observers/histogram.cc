#include "quant/observers/histogram.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tamis::quant {

void MagnitudeHistogram::add(std::span<const float> values) {
  float low = INFINITY;
  float high = -INFINITY;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return;
  const float most = std::max(std::abs(low), std::abs(high));
  if (total_ == 0) {
    lowest_ = low;
    highest_ = high;
  }
  lowest_ = std::min(lowest_, low);
  highest_ = std::max(highest_, high);
  if (counts_.empty() || last_edge_ == 0) {
    // Only zeros so far leave no width to keep.
    const int64_t zeros = counts_.empty() ? 0 : counts_[0];
    counts_.assign(kFirstBins, 0);
    counts_[0] = zeros;
    last_edge_ = most;
    width_ = most / static_cast<float>(kFirstBins);
  } else if (most > last_edge_) {
    while (std::ceil(most / width_) > static_cast<float>(kMostBins)) join_pairs();
    const float bins = std::ceil(most / width_);
    counts_.resize(std::max(counts_.size(), static_cast<size_t>(bins)));
    last_edge_ = static_cast<float>(counts_.size()) * width_;
    extended_ = true;
  }
  const auto bins = static_cast<float>(counts_.size());
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const float place = last_edge_ > 0 ? std::abs(value) * bins / last_edge_ : 0;
    ++counts_[static_cast<size_t>(std::min(place, bins - 1))];
    ++total_;
  }
}

void MagnitudeHistogram::join_pairs() {
  for (size_t i = 0; i < counts_.size(); ++i) {
    const int64_t count = std::exchange(counts_[i], 0);
    counts_[i / 2] += count;
  }
  counts_.resize((counts_.size() + 1) / 2);
  width_ *= 2;
}

float MagnitudeHistogram::left_edge(size_t i) const {
  if (extended_) return static_cast<float>(i) * width_;  // torch.arange
  // torch.linspace counts from the nearer end.
  const float step = last_edge_ / static_cast<float>(kFirstBins);
  if (i < (kFirstBins + 1) / 2) return step * static_cast<float>(i);
  return last_edge_ - step * static_cast<float>(kFirstBins - i);
}

Range MagnitudeHistogram::clipped(float amax) const {
  return {std::max(lowest_, -amax), std::min(highest_, amax)};
}

}  // namespace tamis::quant
