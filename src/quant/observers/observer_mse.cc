// The clip at which 8-bit rounding and clipping together lose least, over the histogram.
#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/observers/histogram.h"

namespace tamis::quant {

namespace {

// Clips from 1/16 of the first batch's range up, a 32nd of it apart: 2048 / 32 bins.
constexpr size_t kFirstClip = 128;
constexpr size_t kClipStep = 64;

class MseObserver final : public Observer {
 public:
  void observe(std::span<const float> values) override { histogram_.add(values); }

  [[nodiscard]] std::optional<Range> range() const override {
    if (histogram_.empty()) return std::nullopt;
    const size_t bins = histogram_.counts().size();
    double best = std::numeric_limits<double>::infinity();
    float amax = histogram_.left_edge(0);
    for (size_t clip = kFirstClip; clip <= bins; clip += kClipStep) {
      const auto edge = static_cast<float>(static_cast<double>(clip) * histogram_.width());
      const double loss = loss_at(edge);
      if (loss >= best) continue;
      best = loss;
      amax = edge;
    }
    return histogram_.clipped(amax);
  }

 private:
  // The sum of squared errors of symmetric s8 with this range, each bin at its middle.
  [[nodiscard]] double loss_at(double amax) const {
    const double scale = amax / 127;
    if (!(scale > 0)) return 0;
    double loss = 0;
    const auto counts = histogram_.counts();
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const double x = (static_cast<double>(i) + 0.5) * histogram_.width();
      const double back = std::min(std::rint(x / scale), 127.0) * scale;
      loss += static_cast<double>(counts[i]) * (x - back) * (x - back);
    }
    return loss;
  }

  MagnitudeHistogram histogram_;
};

}  // namespace

std::unique_ptr<Observer> make_mse_observer(const ObserverOptions& /*options*/) {
  return std::make_unique<MseObserver>();
}

}  // namespace tamis::quant
