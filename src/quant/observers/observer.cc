#include "quant/observers/observer.h"

#include "base/error.h"

namespace tamis::quant {

#define X(name) std::unique_ptr<Observer> make_##name##_observer(const ObserverOptions& options);
#include "quant/observers/observers.inc"
#undef X

namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Observer> (*make)(const ObserverOptions& options);
};
constexpr Row kRows[] = {
#define X(name) {#name, make_##name##_observer},
#include "quant/observers/observers.inc"
#undef X
};

}  // namespace

std::unique_ptr<Observer> make_observer(std::string_view name, const ObserverOptions& options) {
  if (!(options.percentile > 0 && options.percentile <= 100)) {
    fail(ErrorCode::kInvalidArgument, "calibration: percentile ", options.percentile,
         "; accepted are numbers above 0 and up to 100");
  }
  for (const Row& row : kRows) {
    if (row.name == name) return row.make(options);
  }
  fail(ErrorCode::kInvalidArgument, "calibration: there is no method \"", name, "\"; accepted are ",
       observer_names());
}

std::string observer_names() {
  std::string names;
  for (const Row& row : kRows) names += cat(names.empty() ? "" : ", ", row.name);
  return names;
}

}  // namespace tamis::quant
