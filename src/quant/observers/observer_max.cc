// Everything that was seen (rule N4).
#include <algorithm>
#include <cmath>

#include "quant/observers/observer.h"

namespace tamis::quant {

namespace {

class MaxObserver final : public Observer {
 public:
  void observe(std::span<const float> values) override {
    for (const float value : values) {
      if (!std::isfinite(value)) continue;
      if (!range_) range_ = Range{value, value};
      range_->low = std::min(range_->low, value);
      range_->high = std::max(range_->high, value);
    }
  }
  [[nodiscard]] std::optional<Range> range() const override { return range_; }

 private:
  std::optional<Range> range_;
};

}  // namespace

std::unique_ptr<Observer> make_max_observer(const ObserverOptions& /*options*/) {
  return std::make_unique<MaxObserver>();
}

}  // namespace tamis::quant
