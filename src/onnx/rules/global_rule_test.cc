#include "onnx/rules/global_rule.h"

#include <gtest/gtest.h>

#include <functional>

namespace tamis::onnx {
namespace {

using graph::GlobalRule;

const std::vector<Probe>& probes() {
  static const auto kMade = make_probes(30);
  static const std::vector<Probe> kProbesMade(kMade.begin(), kMade.end());
  return kProbesMade;
}

double id_at(const Probe& p, int64_t b, int64_t i) { return p.input_ids[b * p.sizes.tokens + i]; }

// Of a sequence, the place of its first id of that kind among its tokens, or how many they are.
int64_t place_of(const Probe& p, int64_t b, double id) {
  int64_t i = 0;
  while (i < p.sizes.tokens && p.is_token(b, i) && id_at(p, b, i) != id) ++i;
  return i;
}

using IsGlobal = std::function<bool(const Probe&, int64_t, int64_t)>;

bool before_two(const Probe& p, int64_t b, int64_t i) {
  const int64_t place = place_of(p, b, 2);
  return place < static_cast<int64_t>(p.count_tokens(b)) && i < place;
}

bool behind_two(const Probe& p, int64_t b, int64_t i) { return i > place_of(p, b, 2) + 1; }

bool first(const Probe&, int64_t, int64_t i) { return i == 0; }

std::vector<Array> tokens_where(const IsGlobal& is_global) {
  std::vector<Array> arrays;
  for (const Probe& p : probes()) {
    std::vector<double> values;
    for (int64_t i = 0; i < p.sizes.sequences * p.sizes.tokens; ++i) {
      values.push_back(is_global(p, i / p.sizes.tokens, i % p.sizes.tokens) ? 1 : 0);
    }
    arrays.push_back(
        make_array({p.sizes.sequences, p.sizes.tokens, 1}, ElementType::kBool, std::move(values)));
  }
  return arrays;
}

// [sequences, 1, tokens, tokens] of a window of `left` and `right` tokens around each.
std::vector<Array> masks_where(const IsGlobal& is_global, int64_t left, int64_t right) {
  std::vector<Array> arrays;
  for (const Probe& p : probes()) {
    const int64_t n = p.sizes.tokens;
    std::vector<double> values;
    for (int64_t i = 0; i < p.sizes.sequences * n * n; ++i) {
      const int64_t b = i / n / n;
      const int64_t far = i % n - i / n % n;
      const bool near = far >= -left && far <= right;
      const bool seen = p.is_token(b, i % n) && (near || is_global(p, b, i % n));
      values.push_back(seen ? 0 : -3e38);
    }
    arrays.push_back(
        make_array({p.sizes.sequences, 1, n, n}, ElementType::kFloat, std::move(values)));
  }
  return arrays;
}

TEST(GlobalRule, TellsTokensByPlacesAndSeparators) {
  const auto rule = [](const IsGlobal& is_global, IdsUse use) {
    return global_tokens_rule(tokens_where(is_global), probes(), use);
  };
  EXPECT_EQ(rule(first, IdsUse::kNone), (GlobalTokenRule{GlobalRule::kFirst, 0}));
  EXPECT_EQ(rule(before_two, IdsUse::kCompared),
            (GlobalTokenRule{GlobalRule::kBeforeSeparator, 2}));
  EXPECT_EQ(rule(behind_two, IdsUse::kCompared),
            (GlobalTokenRule{GlobalRule::kBehindSeparator, 2}));
}

TEST(GlobalRule, TellsNothingOfIdsThatMayCountOtherwise) {
  for (const IdsUse use : {IdsUse::kNone, IdsUse::kOther, IdsUse::kIds}) {
    EXPECT_FALSE(global_tokens_rule(tokens_where(before_two), probes(), use));
    EXPECT_FALSE(global_mask_rule(masks_where(before_two, 2, 2), probes(), use));
  }
  EXPECT_FALSE(global_tokens_rule(tokens_where(first), probes(), IdsUse::kCompared));
}

TEST(GlobalRule, TellsWindowsBesideThem) {
  const auto rule = [](const IsGlobal& is_global, IdsUse use) {
    return global_mask_rule(masks_where(is_global, 2, 3), probes(), use);
  };
  EXPECT_EQ(rule(first, IdsUse::kNone), (MaskRule{2, 3, {GlobalRule::kFirst, 0}}));
  EXPECT_EQ(rule(before_two, IdsUse::kCompared),
            (MaskRule{2, 3, {GlobalRule::kBeforeSeparator, 2}}));
  EXPECT_EQ(rule(behind_two, IdsUse::kCompared),
            (MaskRule{2, 3, {GlobalRule::kBehindSeparator, 2}}));
}

TEST(GlobalRule, RefusesOtherTokensAndHoles) {
  const auto second = [](const Probe&, int64_t, int64_t i) { return i == 1; };
  EXPECT_FALSE(global_tokens_rule(tokens_where(second), probes(), IdsUse::kNone));
  EXPECT_FALSE(global_mask_rule(masks_where(second, 2, 2), probes(), IdsUse::kNone));
  // A key in the window that the long sequence's last query does not see.
  std::vector<Array> masks = masks_where(first, 2, 2);
  std::vector<double> values = *masks.back().data;
  values[values.size() - 2] = -3e38;
  masks.back() = make_array(masks.back().dims, ElementType::kFloat, std::move(values));
  EXPECT_FALSE(global_mask_rule(masks, probes(), IdsUse::kNone));
  // Ranks that scores do not have.
  EXPECT_FALSE(global_mask_rule(tokens_where(first), probes(), IdsUse::kNone));
}

}  // namespace
}  // namespace tamis::onnx
