#include "engine/timing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace tamis::engine {

namespace {

double quantile(const std::vector<double>& sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double fraction = position - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[above] - sorted[below]);
}

}  // namespace

TimingStats summarize(std::vector<double> milliseconds) {
  if (milliseconds.empty()) fail(ErrorCode::kInvalidArgument, "no runs to summarize");
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto n = static_cast<double>(milliseconds.size());
  TimingStats stats;
  stats.runs = static_cast<int64_t>(milliseconds.size());
  stats.mean_ms = std::accumulate(milliseconds.begin(), milliseconds.end(), 0.0) / n;
  double squares = 0;
  for (const double ms : milliseconds) squares += (ms - stats.mean_ms) * (ms - stats.mean_ms);
  stats.sd_ms = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  stats.min_ms = milliseconds.front();
  stats.max_ms = milliseconds.back();
  stats.median_ms = quantile(milliseconds, 0.5);
  stats.p95_ms = quantile(milliseconds, 0.95);
  stats.p99_ms = quantile(milliseconds, 0.99);
  return stats;
}

TimingStats measure(FunctionRef<void()> body, const TimingOptions& options) {
  for (int i = 0; i < options.warm_ups; ++i) body();
  std::vector<double> milliseconds;
  const int64_t start = options.clock->now_ns();
  const auto budget_ns = static_cast<int64_t>(options.seconds * 1e9);
  int64_t now = start;
  while (static_cast<int>(milliseconds.size()) < options.most_runs &&
         (static_cast<int>(milliseconds.size()) < options.least_runs || now - start < budget_ns)) {
    const int64_t before = options.clock->now_ns();
    body();
    now = options.clock->now_ns();
    milliseconds.push_back(static_cast<double>(now - before) * 1e-6);
  }
  return summarize(std::move(milliseconds));
}

}  // namespace tamis::engine
