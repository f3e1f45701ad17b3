// The magnitude that a share of the values stays below (rule N3): the left edge of the first bin at
// which the cumulative share reaches it.
#include "quant/observers/histogram.h"

namespace tamis::quant {

namespace {

class PercentileObserver final : public Observer {
 public:
  explicit PercentileObserver(double percentile) : share_(percentile / 100) {}

  void observe(std::span<const float> values) override { histogram_.add(values); }

  [[nodiscard]] std::optional<Range> range() const override {
    if (histogram_.empty()) return std::nullopt;
    const auto counts = histogram_.counts();
    const auto total = static_cast<double>(histogram_.total());
    double below = 0;  // summed as numpy.cumsum does, so that rounding at 100 is the original's too
    size_t bin = 0;
    for (; bin < counts.size(); ++bin) {
      below += static_cast<double>(counts[bin]) / total;
      if (below >= share_) break;
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
