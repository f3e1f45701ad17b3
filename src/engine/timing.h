// Measuring how long something takes, and saying it in the words of bench.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"

namespace tamis::engine {

/// Milliseconds over the runs of one measurement.
struct TimingStats {
  int64_t runs = 0;
  double mean_ms = 0;
  double sd_ms = 0;  ///< sample standard deviation, 0 for one run
  double min_ms = 0;
  double max_ms = 0;
  double median_ms = 0;
  double p95_ms = 0;  ///< linear interpolation between ranks, as numpy.percentile
  double p99_ms = 0;
};

/// Throws Error{kInvalidArgument} if there are none.
[[nodiscard]] TimingStats summarize(std::vector<double> milliseconds);

struct TimingOptions {
  int warm_ups = 3;
  int least_runs = 5;
  int most_runs = 1000;
  double seconds = 2.0;  ///< goes on until both least_runs and this are reached
  const Clock* clock = &Clock::steady();
};

/// Calls `body` warm_ups times, then times single calls.
[[nodiscard]] TimingStats measure(FunctionRef<void()> body, const TimingOptions& options = {});

}  // namespace tamis::engine
