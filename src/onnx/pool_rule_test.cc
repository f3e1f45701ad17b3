#include "onnx/pool_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace tamis::onnx {
namespace {

using graph::PoolMode;

const std::array<Probe, kProbes>& probes() {
  static const auto kMade = make_probes(30);
  return kMade;
}

// Weights by place and count, [sequences, tokens, 1] in each probe; `padding` where no token is.
std::vector<Array> weights(const std::function<double(double, double)>& f, double padding = 0) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    std::vector<double> values;
    for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
      const double tokens = probe.count_tokens(b);
      for (int64_t i = 0; i < probe.sizes.tokens; ++i) {
        values.push_back(probe.is_token(b, i) ? f(static_cast<double>(i), tokens) : padding);
      }
    }
    arrays.push_back(make_array({probe.sizes.sequences, probe.sizes.tokens, 1}, ElementType::kFloat,
                                std::move(values)));
  }
  return arrays;
}

double mean(double, double n) { return 1 / n; }
double by_places(double i, double n) { return 2 * (i + 1) / (n * (n + 1)); }

TEST(PoolRule, TellsModesByTheirWeights) {
  const auto mode = [](const std::function<double(double, double)>& f) {
    return pool_rule(weights(f), probes());
  };
  EXPECT_EQ(mode(mean), PoolMode::kMean);
  EXPECT_EQ(mode(by_places), PoolMode::kWeightedMean);
  EXPECT_EQ(mode([](double, double n) { return 1 / std::sqrt(n); }), PoolMode::kMeanSqrtLen);
  EXPECT_EQ(mode([](double i, double) { return i == 0 ? 1.0 : 0.0; }), PoolMode::kCls);
  EXPECT_EQ(mode([](double i, double n) { return i == n - 1 ? 1.0 : 0.0; }), PoolMode::kLastToken);
}

TEST(PoolRule, TakesTheRoundingOfFloats) {
  const auto off = [](double by) {
    return weights([by](double i, double n) { return by_places(i, n) * by; });
  };
  EXPECT_EQ(pool_rule(off(1 + 1e-7), probes()), PoolMode::kWeightedMean);
  EXPECT_FALSE(pool_rule(off(1 + 1e-5), probes()));
}

TEST(PoolRule, RefusesOtherWeights) {
  const auto is_none = [](const std::function<double(double, double)>& f) {
    return !pool_rule(weights(f), probes());
  };
  EXPECT_TRUE(is_none([](double, double) { return 1; }));
  EXPECT_TRUE(is_none([](double i, double n) { return i / (n * (n - 1) / 2); }));
  EXPECT_TRUE(is_none([](double i, double n) { return (i + 1) / n; }));
  EXPECT_TRUE(is_none([](double i, double n) { return by_places(n - 1 - i, n); }));
  EXPECT_TRUE(is_none([](double i, double) { return i == 1 ? 1.0 : 0.0; }));
  EXPECT_TRUE(is_none([](double, double) { return NAN; }));
  EXPECT_FALSE(pool_rule(weights(mean, 1e-3), probes()));
  auto narrow = weights(mean);
  narrow[1] = make_array({1}, ElementType::kFloat, {1});
  EXPECT_FALSE(pool_rule(narrow, probes()));
}

}  // namespace
}  // namespace tamis::onnx
