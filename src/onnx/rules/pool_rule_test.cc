#include "onnx/rules/pool_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace tamis::onnx {
namespace {

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
    const auto pool = pool_rule(weights(f), probes());
    EXPECT_TRUE(pool && pool->modes.size() == 1 && pool->padding_idx == -1);
    return pool ? pool->modes[0] : Pooling::kMax;
  };
  EXPECT_EQ(mode(mean), Pooling::kMean);
  EXPECT_EQ(mode(by_places), Pooling::kWeightedMean);
  EXPECT_EQ(mode([](double, double n) { return 1 / std::sqrt(n); }), Pooling::kMeanSqrtLen);
  EXPECT_EQ(mode([](double i, double) { return i == 0 ? 1.0 : 0.0; }), Pooling::kCls);
  EXPECT_EQ(mode([](double i, double n) { return i == n - 1 ? 1.0 : 0.0; }), Pooling::kLastToken);
}

TEST(PoolRule, TakesTheRoundingOfFloats) {
  const auto off = [](double by) {
    return weights([by](double i, double n) { return by_places(i, n) * by; });
  };
  EXPECT_TRUE(pool_rule(off(1 + 1e-7), probes()));
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

// Places [sequences] in each probe.
std::vector<Array> places(const std::function<int64_t(const Probe&, int64_t)>& f) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    std::vector<double> values;
    for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
      values.push_back(static_cast<double>(f(probe, b)));
    }
    arrays.push_back(make_array({probe.sizes.sequences}, ElementType::kInt64, std::move(values)));
  }
  return arrays;
}

double id_at(const Probe& probe, int64_t b, int64_t i) {
  return probe.input_ids[b * probe.sizes.tokens + i];
}

int64_t tokens_of(const Probe& probe, int64_t b) {
  return static_cast<int64_t>(probe.count_tokens(b));
}

// The last place below `end` whose id is not `padding`, or 0.
int64_t last_but(const Probe& probe, int64_t b, double padding, int64_t end) {
  while (end > 1 && id_at(probe, b, end - 1) == padding) --end;
  return end - 1;
}

TEST(PlaceRule, TellsThePaddingThatIsPassedOver) {
  for (int64_t id = 0; id < 10; ++id) {
    const auto padding = static_cast<double>(id);
    const auto rule = place_rule(places([=](const Probe& probe, int64_t b) {
                                   return last_but(probe, b, padding, tokens_of(probe, b));
                                 }),
                                 probes());
    ASSERT_TRUE(rule) << id;
    EXPECT_EQ(*rule, (graph::PoolAttributes{{Pooling::kLastToken}, id}));
    // In transformers the mask plays no part.
    const auto whole = place_rule(places([=](const Probe& probe, int64_t b) {
                                    return last_but(probe, b, padding, probe.sizes.tokens);
                                  }),
                                  probes());
    EXPECT_EQ(whole, rule);
  }
}

// The last place below `end` whose id is `token`, or -1.
int64_t last_with(const Probe& probe, int64_t b, double token, int64_t end) {
  while (end > 0 && id_at(probe, b, end - 1) != token) --end;
  return end - 1;
}

TEST(PlaceRule, TellsTheTokenThatIsLookedFor) {
  for (int64_t id = 0; id < 10; ++id) {
    const auto rule =
        place_rule(places([id](const Probe& probe, int64_t b) {
                     return last_with(probe, b, static_cast<double>(id), tokens_of(probe, b));
                   }),
                   probes());
    ASSERT_TRUE(rule) << id;
    graph::PoolAttributes expected{{Pooling::kLastToken}};
    expected.token = id;
    EXPECT_EQ(*rule, expected);
  }
  // The first of them, or another where there is none.
  EXPECT_FALSE(place_rule(places([](const Probe& probe, int64_t b) {
                            int64_t i = 0;
                            while (i < tokens_of(probe, b) && id_at(probe, b, i) != 3) ++i;
                            return i == tokens_of(probe, b) ? -1 : i;
                          }),
                          probes()));
  EXPECT_FALSE(place_rule(places([](const Probe& probe, int64_t b) {
                            return std::max<int64_t>(last_with(probe, b, 3, tokens_of(probe, b)),
                                                     0);
                          }),
                          probes()));
}

TEST(PoolRule, TakesNoNumberWhereASequenceLacksTheToken) {
  const auto of_token = [](double otherwise) {
    std::vector<Array> arrays;
    for (const Probe& probe : probes()) {
      std::vector<double> values;
      for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
        const int64_t place = last_with(probe, b, 3, tokens_of(probe, b));
        for (int64_t i = 0; i < probe.sizes.tokens; ++i) {
          values.push_back(place < 0 ? otherwise : i == place ? 1.0 : 0.0);
        }
      }
      arrays.push_back(make_array({probe.sizes.sequences, probe.sizes.tokens, 1},
                                  ElementType::kFloat, std::move(values)));
    }
    return arrays;
  };
  graph::PoolAttributes expected{{Pooling::kLastToken}};
  expected.token = 3;
  EXPECT_EQ(pool_rule(of_token(NAN), probes()), expected);
  EXPECT_FALSE(pool_rule(of_token(0), probes()));
  EXPECT_FALSE(pool_rule(of_token(1), probes()));
}

TEST(PlaceRule, RefusesOtherPlaces) {
  const auto is_none = [](const std::function<int64_t(const Probe&, int64_t)>& f) {
    return !place_rule(places(f), probes());
  };
  EXPECT_TRUE(is_none([](const Probe&, int64_t) { return 1; }));
  EXPECT_TRUE(is_none([](const Probe& probe, int64_t) { return probe.sizes.tokens - 1; }));
  EXPECT_TRUE(is_none(
      [](const Probe& probe, int64_t b) { return last_but(probe, b, 70000, probe.sizes.tokens); }));
  // As transformers before 4.50: in front of the first padding, or the last of all.
  EXPECT_TRUE(is_none([](const Probe& probe, int64_t b) {
    for (int64_t i = 0; i < probe.sizes.tokens; ++i) {
      if (id_at(probe, b, i) == 3) return i == 0 ? probe.sizes.tokens - 1 : i - 1;
    }
    return probe.sizes.tokens - 1;
  }));
  // The last that is padding.
  EXPECT_TRUE(is_none([](const Probe& probe, int64_t b) {
    int64_t place = tokens_of(probe, b) - 1;
    while (place > 0 && id_at(probe, b, place) != 3) --place;
    return place;
  }));
}

}  // namespace
}  // namespace tamis::onnx
