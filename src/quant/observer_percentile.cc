// The magnitude that a share of the values stays below (rule N3): the left edge of the first bin at
// which the cumulative share reaches it.
#include "quant/histogram.h"

namespace tamis::quant {

namespace {

class PercentileObserver final : public Observer {
 public:
  explicit PercentileObserver(double percentile) : share_(percentile / 100) {}

  void observe(std::span<const float> values) override { histogram_.add(values); }

  [[nodiscard]] std::optional<Range> range() const override {
    if (histogram_.empty()) return std::nullopt;
    const auto counts = histogram_.counts();
    int64_t below = 0;
    size_t bin = 0;
    for (; bin + 1 < counts.size(); ++bin) {
      below += counts[bin];
      if (static_cast<double>(below) / static_cast<double>(histogram_.total()) >= share_) break;
    }
    return histogram_.clipped(histogram_.left_edge(bin));
  }

 private:
  double share_;
  MagnitudeHistogram histogram_;
};

}  // namespace

std::unique_ptr<Observer> make_percentile_observer(const ObserverOptions& options) {
  return std::make_unique<PercentileObserver>(options.percentile);
}

}  // namespace tamis::quant
