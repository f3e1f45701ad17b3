#include "serve/batching/vector_ranges.h"

namespace tamis::serve {

namespace {

// Callers cut vectors to a few lengths, and each length costs little to work out again.
constexpr size_t kMostRanges = 32;

}  // namespace

std::shared_ptr<const RawOutput> VectorRanges::sample() const {
  const std::lock_guard lock(mutex_);
  return sample_;
}

void VectorRanges::set_sample(RawOutput rows) {
  auto made = std::make_shared<const RawOutput>(std::move(rows));
  const std::lock_guard lock(mutex_);
  sample_ = std::move(made);
}

VectorRanges::Key VectorRanges::key_of(const tasks::EmbedOptions& options) {
  return {options.dimensions.value_or(0),
          options.normalize ? static_cast<int>(*options.normalize) : -1};
}

std::shared_ptr<const math::VectorRange> VectorRanges::find(
    const tasks::EmbedOptions& options) const {
  const std::lock_guard lock(mutex_);
  const auto at = ranges_.find(key_of(options));
  return at == ranges_.end() ? nullptr : at->second;
}

void VectorRanges::add(const tasks::EmbedOptions& options,
                       std::shared_ptr<const math::VectorRange> range) {
  const std::lock_guard lock(mutex_);
  if (ranges_.size() >= kMostRanges) ranges_.clear();
  ranges_[key_of(options)] = std::move(range);
}

}  // namespace tamis::serve
