#include "onnx/rules/rules.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace tamis::onnx {
namespace {

const std::array<Probe, kProbes>& probes() {
  static const auto kMade = make_probes(20);
  return kMade;
}

// An array [sequences, tokens] in each probe.
std::vector<Array> ids(const std::function<double(const Probe&, int64_t, int64_t)>& f) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    std::vector<double> values;
    for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
      for (int64_t i = 0; i < probe.sizes.tokens; ++i) values.push_back(f(probe, b, i));
    }
    arrays.push_back(make_array({probe.sizes.sequences, probe.sizes.tokens}, ElementType::kInt64,
                                std::move(values)));
  }
  return arrays;
}

// What is added to scores [sequences, 1, queries, keys].
std::vector<Array> mask(const std::function<double(const Probe&, int64_t, int64_t, int64_t)>& f) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    const int64_t n = probe.sizes.tokens;
    std::vector<double> values;
    for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
      for (int64_t q = 0; q < n; ++q) {
        for (int64_t k = 0; k < n; ++k) values.push_back(f(probe, b, q, k));
      }
    }
    arrays.push_back(
        make_array({probe.sizes.sequences, 1, n, n}, ElementType::kFloat, std::move(values)));
  }
  return arrays;
}

std::string why_not(const std::vector<Array>& added) {
  std::string why;
  EXPECT_FALSE(mask_rule(added, probes(), why));
  return why;
}

double id_at(const Probe& p, int64_t b, int64_t i) { return p.input_ids[b * p.sizes.tokens + i]; }

TEST(IdsRule, TellsWhatIdsAre) {
  EXPECT_EQ(ids_rule(ids(id_at), probes()), (IdsRule{IdsKind::kInputIds, 0}));
  EXPECT_EQ(ids_rule(ids([](const Probe& p, int64_t b, int64_t i) {
                       return p.token_type_ids[b * p.sizes.tokens + i];
                     }),
                     probes()),
            (IdsRule{IdsKind::kTokenTypeIds, 0}));
  EXPECT_EQ(ids_rule(ids([](const Probe&, int64_t, int64_t) { return 0.0; }), probes()),
            (IdsRule{IdsKind::kConstant, 0}));
  EXPECT_EQ(ids_rule(ids([](const Probe&, int64_t, int64_t i) { return 2.0 + i; }), probes()),
            (IdsRule{IdsKind::kPositions, 2}));
}

TEST(IdsRule, TellsRobertasPositionsByTheirPadding) {
  for (const double padding : {0.0, 1.0, 3.0}) {
    const auto positions = ids([padding](const Probe& p, int64_t b, int64_t i) {
      if (id_at(p, b, i) == padding) return padding;
      double count = 0;
      for (int64_t j = 0; j <= i; ++j) count += id_at(p, b, j) != padding ? 1 : 0;
      return padding + count;
    });
    EXPECT_EQ(ids_rule(positions, probes()),
              (IdsRule{IdsKind::kRobertaPositions, static_cast<int64_t>(padding)}));
  }
}

// input_ids one place on, behind what front() says.
std::vector<Array> moved(const std::function<double(const Probe&, int64_t)>& front) {
  return ids([front](const Probe& p, int64_t b, int64_t i) {
    return i == 0 ? front(p, b) : id_at(p, b, i - 1);
  });
}

TEST(IdsRule, TellsWhatADecoderReads) {
  for (const double first : {0.0, 2.0, 250'004.0}) {
    EXPECT_EQ(ids_rule(moved([first](const Probe&, int64_t) { return first; }), probes()),
              (IdsRule{IdsKind::kShifted, static_cast<int64_t>(first)}));
  }
  // mBART's: the id number c - 1, of c that are not padding, which are counted among all or tokens.
  for (const bool tokens_only : {false, true}) {
    for (const double padding : {0.0, 1.0, 8.0}) {
      const auto last = [=](const Probe& p, int64_t b) {
        int64_t count = 0;
        for (int64_t i = 0; i < p.sizes.tokens; ++i) {
          const bool counts = !tokens_only || p.is_token(b, i);
          count += counts && id_at(p, b, i) != padding ? 1 : 0;
        }
        return id_at(p, b, std::max<int64_t>(count - 1, 0));
      };
      EXPECT_EQ(ids_rule(moved(last), probes()),
                (IdsRule{IdsKind::kShiftedFromEnd, static_cast<int64_t>(padding)}));
    }
  }
  EXPECT_FALSE(
      ids_rule(moved([](const Probe& p, int64_t b) { return id_at(p, b, 0) + 1; }), probes()));
  EXPECT_FALSE(ids_rule(moved([](const Probe&, int64_t) { return -1.0; }), probes()));
}

TEST(IdsRule, LooksAtTokensAlone) {
  const auto positions = ids([](const Probe& p, int64_t b, int64_t i) {
    return p.is_token(b, i) ? static_cast<double>(i) : 77.0;
  });
  EXPECT_EQ(ids_rule(positions, probes()), (IdsRule{IdsKind::kPositions, 0}));
}

TEST(IdsRule, KnowsNoOthers) {
  EXPECT_FALSE(ids_rule(ids([](const Probe&, int64_t, int64_t i) { return 2.0 * i; }), probes()));
  EXPECT_FALSE(ids_rule(
      ids([](const Probe& p, int64_t b, int64_t i) { return id_at(p, b, i) + 1; }), probes()));
  std::vector<Array> square;
  for (const Probe& p : probes()) {
    const int64_t n = p.sizes.tokens;
    square.push_back(make_array({n, n}, ElementType::kInt64,
                                std::vector<double>(static_cast<size_t>(n * n), 0)));
  }
  EXPECT_FALSE(ids_rule(square, probes()));
}

// A bucket for each place of a key less its query's.
std::vector<Array> buckets(const std::function<double(int64_t)>& f) {
  std::vector<Array> arrays;
  for (const Probe& p : probes()) {
    const int64_t n = p.sizes.tokens;
    std::vector<double> values;
    for (int64_t i = 0; i < n * n; ++i) values.push_back(f(i % n - i / n));
    arrays.push_back(make_array({n, n}, ElementType::kInt64, std::move(values)));
  }
  return arrays;
}

// Of so many buckets the half are distances of their own, the others end at 128: by the steps of
// their definition.
double one_side(double far, double buckets) {
  const double exact = buckets / 2;
  if (far < exact) return far;
  return exact + std::floor(std::log(far / exact) / std::log(128 / exact) * exact);
}

// 32 buckets of both directions.
std::vector<Array> t5_buckets() {
  return buckets([](int64_t distance) {
    return one_side(static_cast<double>(std::abs(distance)), 16) + (distance > 0 ? 16 : 0);
  });
}

constexpr auto kBoth = BucketSides::kBoth;
constexpr auto kBefore = BucketSides::kBefore;

TEST(T5MaxDistance, TellsBucketsOfBothDirections) {
  const auto rule = t5_max_distance(t5_buckets(), probes(), 32, kBoth);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->max_distance, 128);
  // 20 tokens do not tell 128 from 127.
  EXPECT_FALSE(rule->is_certain);
  EXPECT_FALSE(t5_max_distance(t5_buckets(), probes(), 64, kBoth));
  EXPECT_FALSE(t5_max_distance(t5_buckets(), probes(), 30, kBoth));
  EXPECT_FALSE(t5_max_distance(t5_buckets(), probes(), 32, kBefore));
  EXPECT_FALSE(t5_max_distance(ids(id_at), probes(), 32, kBoth));
}

TEST(T5MaxDistance, TellsBucketsOfADecoder) {
  const auto before = buckets([](int64_t distance) {
    return one_side(static_cast<double>(std::max<int64_t>(-distance, 0)), 16);
  });
  const auto rule = t5_max_distance(before, probes(), 16, kBefore);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->max_distance, 128);
  EXPECT_FALSE(t5_max_distance(before, probes(), 16, kBoth));
  EXPECT_FALSE(t5_max_distance(before, probes(), 32, kBoth));
  EXPECT_FALSE(t5_max_distance(before, probes(), 32, kBefore));
}

TEST(MaskRule, TakesPaddingHiddenByAnyLowNumber) {
  for (const double low : {-65504.0, -3.4e38, -HUGE_VAL}) {
    std::string why;
    const auto rule = mask_rule(mask([low](const Probe& p, int64_t b, int64_t, int64_t k) {
                                  return p.is_token(b, k) ? 0 : low;
                                }),
                                probes(), why);
    EXPECT_EQ(rule, MaskRule{}) << why;
  }
}

TEST(MaskRule, FindsAWindow) {
  std::string why;
  const auto windowed = mask([](const Probe& p, int64_t b, int64_t q, int64_t k) {
    return p.is_token(b, k) && k >= q - 6 && k <= q + 8 ? 0 : -INFINITY;
  });
  EXPECT_EQ(mask_rule(windowed, probes(), why), (MaskRule{6, 8})) << why;
  const auto causal = mask([](const Probe& p, int64_t b, int64_t q, int64_t k) {
    return p.is_token(b, k) && k <= q ? 0 : -INFINITY;
  });
  EXPECT_EQ(mask_rule(causal, probes(), why), (MaskRule{-1, 0})) << why;
}

TEST(MaskRule, SaysWhyNot) {
  EXPECT_EQ(why_not(mask([](const Probe& p, int64_t b, int64_t, int64_t k) {
              return p.is_token(b, k) ? 0 : -10000;
            })),
            "a mask value of -10000; accepted are 0 and values of at most -60000");
  EXPECT_EQ(why_not(mask([](const Probe&, int64_t, int64_t, int64_t) { return 0; })),
            "padding is not masked");
  EXPECT_EQ(why_not(mask([](const Probe& p, int64_t b, int64_t q, int64_t k) {
              return p.is_token(b, k) && (k != 2 || q == 2) ? 0 : -INFINITY;
            })),
            "keys that are not next to each other are masked");
  EXPECT_EQ(why_not(mask([](const Probe& p, int64_t b, int64_t q, int64_t k) {
              return p.is_token(b, k) && (k / 4 == q / 4) ? 0 : -INFINITY;
            })),
            "a mask that is no window around each token");
  EXPECT_NE(why_not(mask([](const Probe& p, int64_t b, int64_t, int64_t k) {
              return p.is_token(b, k) ? NAN : -INFINITY;
            })).find("nan"),
            std::string::npos);
}

TEST(FollowsMask, ComparesEveryElement) {
  std::vector<Array> wide;
  for (const Probe& p : probes()) wide.push_back(p.attention_mask);
  EXPECT_TRUE(follows_mask(wide, probes(), 1, 0));
  EXPECT_FALSE(follows_mask(wide, probes(), 0, 1));
  wide[1] = make_array({1}, ElementType::kFloat, {1});
  EXPECT_FALSE(follows_mask(wide, probes(), 1, 0));
}

// Slopes 0.5 and 0.25 in two heads; `hides` keys of padding.
std::vector<Array> slopes(bool hides) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    const int64_t n = probe.sizes.tokens;
    std::vector<double> values;
    for (int64_t i = 0; i < probe.sizes.sequences * 2 * n * n; ++i) {
      const int64_t b = i / (2 * n * n);
      const double slope = i / (n * n) % 2 == 0 ? 0.5 : 0.25;
      const double bias = -slope * static_cast<double>(std::abs(i / n % n - i % n));
      values.push_back(hides && !probe.is_token(b, i % n) ? -1e30 : bias);
    }
    arrays.push_back(
        make_array({probe.sizes.sequences, 2, n, n}, ElementType::kFloat, std::move(values)));
  }
  return arrays;
}

TEST(AlibiRule, TellsSlopesAndTheMaskBesideThem) {
  const auto plain = alibi_rule(slopes(false), probes());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->slopes, (std::vector<float>{0.5f, 0.25f}));
  EXPECT_FALSE(plain->masks);
  const auto both = alibi_rule(slopes(true), probes());
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->masks);
  EXPECT_EQ(both->mask, MaskRule{});
}

TEST(AlibiRule, RefusesWhatDoesNotFallWithTheDistance) {
  std::vector<Array> other = slopes(false);
  std::vector<double> values = *other[1].data;
  values[3] += 0.1;
  other[1] = make_array(other[1].dims, ElementType::kFloat, values);
  EXPECT_FALSE(alibi_rule(other, probes()));
  EXPECT_FALSE(
      alibi_rule(mask([](const Probe&, int64_t, int64_t, int64_t) { return 0.0; }), probes()));
  EXPECT_FALSE(alibi_rule(
      ids([](const Probe&, int64_t, int64_t i) { return -static_cast<double>(i); }), probes()));
  std::vector<Array> none = slopes(false);
  Dims dims = none[0].dims;
  dims.insert(dims.begin(), 4 - dims.size(), 1);
  dims[0] = 0;
  none[0] = make_array(dims, ElementType::kFloat, {});
  EXPECT_FALSE(alibi_rule(none, probes()));
}

}  // namespace
}  // namespace tamis::onnx
