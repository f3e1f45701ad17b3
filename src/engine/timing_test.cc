#include "engine/timing.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::engine {
namespace {

// Expected values from numpy: mean, std(ddof=1), median, percentile 95 and 99.
TEST(Timing, SummarizesAsNumpyDoes) {
  const TimingStats stats = summarize({4, 1, 3, 2, 10});
  EXPECT_EQ(stats.runs, 5);
  EXPECT_DOUBLE_EQ(stats.mean_ms, 4.0);
  EXPECT_NEAR(stats.sd_ms, 3.5355339059327378, 1e-15);
  EXPECT_DOUBLE_EQ(stats.min_ms, 1);
  EXPECT_DOUBLE_EQ(stats.max_ms, 10);
  EXPECT_DOUBLE_EQ(stats.median_ms, 3);
  EXPECT_NEAR(stats.p95_ms, 8.8, 1e-12);
  EXPECT_NEAR(stats.p99_ms, 9.76, 1e-12);
  EXPECT_EQ(summarize({7}).sd_ms, 0);
  EXPECT_THROW((void)summarize({}), Error);
}

TEST(Timing, StopsWhenBothRunsAndTimeAreReached) {
  ManualClock clock;
  TimingOptions options;
  options.clock = &clock;
  options.warm_ups = 2;
  options.seconds = 1.0;
  int calls = 0;
  const TimingStats stats = measure(
      [&] {
        ++calls;
        clock.advance_ns(100'000'000);
      },
      options);
  EXPECT_EQ(stats.runs, 10);
  EXPECT_EQ(calls, 12);
  EXPECT_DOUBLE_EQ(stats.median_ms, 100.0);
}

}  // namespace
}  // namespace tamis::engine
