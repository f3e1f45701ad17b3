#include "quant/observers/observer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "quant/moments.h"
#include "quant/observers/histogram.h"

namespace tamis::quant {
namespace {

std::vector<float> normals(size_t n, uint32_t seed, float scale = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(engine) * scale;
  return values;
}

TEST(Observers, OfNothingHaveNoRange) {
  for (const char* name : {"max", "percentile", "mse"}) {
    const auto observer = make_observer(name);
    EXPECT_FALSE(observer->range()) << name;
    observer->observe({});
    observer->observe(std::vector<float>{NAN, INFINITY, -INFINITY});
    EXPECT_FALSE(observer->range()) << name;
    observer->observe(std::vector<float>{0.0f, 0.0f});
    EXPECT_EQ(observer->range(), (Range{0, 0})) << name;
  }
}

TEST(Observers, AreRefusedByName) {
  try {
    (void)make_observer("entropy");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "calibration: there is no method \"entropy\"; accepted are max, percentile, mse");
  }
  EXPECT_THROW((void)make_observer("percentile", {0.0}), Error);
  EXPECT_THROW((void)make_observer("percentile", {100.5}), Error);
}

TEST(MaxObserver, KeepsBothEnds) {
  const auto observer = make_observer("max");
  observer->observe(std::vector<float>{1, -2, NAN});
  observer->observe(std::vector<float>{5, 0});
  EXPECT_EQ(observer->range(), (Range{-2, 5}));
}

// 1, 2, ..., 2048: one value a bin, and the largest in the last.
TEST(PercentileObserver, IsTheLeftEdgeOfTheBinThatReachesIt) {
  std::vector<float> values(2048);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1) - 0.5f;
  values.back() = 2048;
  const auto at = [&](double percentile) {
    const auto observer = make_observer("percentile", {percentile});
    observer->observe(values);
    return observer->range()->high;
  };
  EXPECT_EQ(at(100), 2047.0f);
  EXPECT_EQ(at(50), 1023.0f);     // 1024 of 2048 lie in the first 1024 bins: the last of them
  EXPECT_EQ(at(50.01), 1024.0f);  // and one more
}

// The same numbers as pytorch-quantization's rule in torch, recorded by
// tools/generate/make_percentile_vectors.py.
TEST(PercentileObserver, IsTheOriginalsBitForBit) {
  const std::string file = TAMIS_TESTDATA "/quantizers/percentile.json";
  const std::string text = read_file(file);
  const JsonDocument json = JsonDocument::parse(text, file);
  const JsonView percentiles = json.root().get("percentiles");
  const JsonView cases = json.root().get("cases");
  ASSERT_GE(cases.size(), 3u);
  for (size_t c = 0; c < cases.size(); ++c) {
    for (size_t p = 0; p < percentiles.size(); ++p) {
      const auto observer =
          make_observer("percentile", {percentiles.at(p).as_double("percentile")});
      const JsonView batches = cases.at(c).get("batches");
      for (size_t b = 0; b < batches.size(); ++b) {
        auto state = static_cast<uint32_t>(batches.at(b).at(0).as_int("seed"));
        std::vector<float> values(static_cast<size_t>(batches.at(b).at(1).as_int("count")));
        const auto scale = static_cast<float>(batches.at(b).at(2).as_double("scale"));
        for (float& value : values) {
          state = state * 1664525 + 1013904223;
          const float u = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
          value = u * u * u * scale;
        }
        observer->observe(values);
      }
      const Range range = observer->range().value();
      EXPECT_EQ(std::max(-range.low, range.high),
                static_cast<float>(cases.at(c).get("amax").at(p).as_double("amax")))
          << "case " << c << ", percentile " << percentiles.at(p).as_double("percentile");
    }
  }
}

// A later batch with a larger value keeps the width: 2048 bins of 1, then up to 3000.
TEST(MagnitudeHistogram, GrowsAtConstantWidth) {
  MagnitudeHistogram histogram;
  histogram.add(std::vector<float>{-2048.0f, 0.25f});
  EXPECT_EQ(histogram.counts().size(), 2048u);
  histogram.add(std::vector<float>{2999.5f, 5.5f});
  EXPECT_EQ(histogram.counts().size(), 3000u);
  EXPECT_EQ(histogram.width(), 1.0f);
  EXPECT_EQ(histogram.counts()[0], 1);
  EXPECT_EQ(histogram.counts()[5], 1);
  EXPECT_EQ(histogram.counts()[2047], 1);
  EXPECT_EQ(histogram.counts()[2999], 1);
  EXPECT_EQ(histogram.total(), 4);
  EXPECT_EQ(histogram.lowest(), -2048.0f);
  EXPECT_EQ(histogram.highest(), 2999.5f);
}

TEST(MagnitudeHistogram, DoesNotGrowWithoutLimit) {
  MagnitudeHistogram histogram;
  histogram.add(std::vector<float>{1e-6f});
  histogram.add(std::vector<float>{1e30f});
  EXPECT_LE(histogram.counts().size(), MagnitudeHistogram::kMostBins);
  EXPECT_GT(histogram.counts().size(), MagnitudeHistogram::kMostBins / 2);
  EXPECT_EQ(histogram.counts().back(), 1);
  EXPECT_EQ(histogram.counts()[0], 1);
  EXPECT_EQ(histogram.total(), 2);
}

// An operand that is near dead on the first texts does not bound what comes behind them.
TEST(MagnitudeHistogram, WidensItsBinsForMuchLargerValues) {
  MagnitudeHistogram histogram;
  histogram.add(std::vector<float>{1.0f, 0.5f, 0.25f});
  histogram.add(std::vector<float>{4096.0f, 1024.25f});
  EXPECT_EQ(histogram.width(), 1.0f / 256);  // of 1/2048, joined three times
  EXPECT_EQ(histogram.counts().size(), MagnitudeHistogram::kMostBins);
  EXPECT_EQ(histogram.counts()[64], 1);
  EXPECT_EQ(histogram.counts()[128], 1);
  EXPECT_EQ(histogram.counts()[255], 1);  // the greatest of the first batch, in its last bin
  EXPECT_EQ(histogram.counts()[1024 * 256 + 64], 1);
  EXPECT_EQ(histogram.counts().back(), 1);
  EXPECT_EQ(histogram.left_edge(1024 * 256), 1024.0f);
}

TEST(MseObserver, ClipsARareOutlier) {
  std::vector<float> values = normals(100000, 3);
  values[500] = 60;
  const auto observer = make_observer("mse");
  observer->observe(values);
  const float high = observer->range()->high;
  // Keeping 60 costs a step of .47 on everything: 1e5 * .47^2 / 12 = 1840, clipping it at least
  // (60 - c)^2, so c must leave the other values' range well behind but stay below 60.
  EXPECT_GT(high, 4.0f);
  EXPECT_LT(high, 59.0f);
}

TEST(ColumnMoments, AreThoseOfAllRowsTogether) {
  std::vector<float> x = normals(1000 * 3, 5, 0.5f);
  for (size_t i = 0; i < x.size(); i += 3) x[i + 1] += 1000;
  ColumnMoments moments(3);
  moments.add(std::span(x).first(300));
  moments.add(std::span(x).subspan(300));
  EXPECT_EQ(moments.count(), 1000);
  const std::vector<double> mean = moments.mean();
  const std::vector<double> variance = moments.variance();
  // Standard errors of 1000 draws: .5 / sqrt(1000) = .016 and .25 sqrt(2 / 1000) = .011; five each.
  for (const size_t j : {0, 1, 2}) {
    EXPECT_NEAR(mean[j], j == 1 ? 1000 : 0, 0.08);
    EXPECT_NEAR(variance[j], 0.25, 0.056);
  }
  ThreadPool pool(2);
  const std::vector<float> cov = covariance(x, mean, pool);
  for (const size_t j : {0, 1, 2}) EXPECT_NEAR(cov[j * 4], variance[j], 1e-5);
  EXPECT_NEAR(cov[1], cov[3], 1e-9);
  EXPECT_LT(std::abs(cov[2]), 0.05f);
}

}  // namespace
}  // namespace tamis::quant
