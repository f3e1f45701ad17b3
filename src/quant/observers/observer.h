// Ranges for static quantizers, from the values that pass by.
//
// Is: streaming observers, one row of observers.inc each; memory does not grow with the texts. Is
// not: a decision about which operands are watched (calibrate.h). May use: graph.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tamis::quant {

/// Values outside are clipped. Symmetric schemes use max(|low|, |high|).
struct Range {
  float low = 0;
  float high = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

struct ObserverOptions {
  /// Of the percentile observer: the share of values, in percent, that the range should hold.
  double percentile = 99.999;
};

/// Not thread-safe.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Takes in one batch of values; those that are not finite are counted and left out.
  virtual void observe(std::span<const float> values) = 0;
  /// Nothing if no finite value was seen.
  [[nodiscard]] virtual std::optional<Range> range() const = 0;
};

/// The observer of that name (max, percentile, mse). Throws Error{kInvalidArgument} listing the
/// names, or for a percentile outside (0, 100].
[[nodiscard]] std::unique_ptr<Observer> make_observer(std::string_view name,
                                                      const ObserverOptions& options = {});

/// The names of observers.inc, comma-separated.
[[nodiscard]] std::string observer_names();

}  // namespace tamis::quant
