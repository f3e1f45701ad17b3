#include "onnx/rules/attention_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "onnx/rules/global_rule.h"

namespace tamis::onnx {
namespace {

using graph::GlobalRule;

constexpr int64_t kHeads = 2;
constexpr int64_t kSize = 3;
constexpr int64_t kColumns = kHeads * kSize;

std::vector<double> numbers(int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> values(-1, 1);
  std::vector<double> made(static_cast<size_t>(rows * kColumns));
  for (double& value : made) value = values(random);
  return made;
}

SampledHeads heads_of(int64_t rows, unsigned seed) {
  return {numbers(rows, seed), numbers(rows, seed + 1), numbers(rows, seed + 2)};
}

bool sees(const AttentionRule& rule, int64_t q, int64_t k, bool global) {
  const bool left = rule.mask.left < 0 || k >= q - rule.mask.left;
  const bool right = rule.mask.right < 0 || k <= q + rule.mask.right;
  return global || (left && right);
}

// One probe's context by the rule, computed plainly.
SampledAttention attention_by(const AttentionRule& rule, const Probe& probe) {
  const int64_t tokens = probe.sizes.tokens;
  const int64_t rows = probe.sizes.sequences * tokens;
  SampledAttention result{&probe, heads_of(rows, 1), heads_of(rows, 11), numbers(rows, 21)};
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t b = row / tokens;
    const auto places = global_places(rule.mask.global, probe, b);
    const auto is_global = [&](int64_t i) { return std::ranges::find(places, i) != places.end(); };
    if (!probe.is_token(b, row % tokens)) continue;
    const bool all = is_global(row % tokens);
    const SampledHeads& from = all ? result.global : result.local;
    for (int64_t h = 0; h < kHeads; ++h) {
      double sum = 0;
      std::vector<double> sums(kSize, 0.0);
      for (int64_t k = 0; k < tokens && probe.is_token(b, k); ++k) {
        if (!all && !sees(rule, row % tokens, k, is_global(k))) continue;
        double product = 0;
        for (int64_t c = h * kSize; c < (h + 1) * kSize; ++c) {
          product += from.queries[static_cast<size_t>(row * kColumns + c)] *
                     from.keys[static_cast<size_t>((b * tokens + k) * kColumns + c)];
        }
        const double weight = std::exp(product * (all ? rule.global_factor : rule.factor));
        sum += weight;
        for (int64_t c = 0; c < kSize; ++c) {
          const int64_t at = (b * tokens + k) * kColumns + h * kSize + c;
          sums[static_cast<size_t>(c)] += weight * from.values[static_cast<size_t>(at)];
        }
      }
      for (int64_t c = 0; c < kSize; ++c) {
        result.context[static_cast<size_t>(row * kColumns + h * kSize + c)] =
            sums[static_cast<size_t>(c)] / sum;
      }
    }
  }
  return result;
}

std::vector<SampledAttention> attentions_by(const AttentionRule& rule) {
  static const auto kMade = make_probes(24);
  std::vector<SampledAttention> made;
  for (const Probe& probe : kMade) made.push_back(attention_by(rule, probe));
  return made;
}

AttentionCandidates candidates(std::vector<GlobalTokenRule> rules) {
  return {kHeads, {1, 0.5}, std::move(rules), 1e-9};
}

TEST(AttentionRule, TellsWindowsAndFactors) {
  for (const MaskRule& mask : {MaskRule{}, MaskRule{3, 5, {}}, MaskRule{-1, 0, {}}}) {
    const AttentionRule wanted{0.5, 1, mask};
    const auto rule = attention_rule(attentions_by(wanted), candidates({{}}));
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->mask, mask);
    EXPECT_EQ(rule->factor, 0.5);
  }
}

TEST(AttentionRule, TellsTokensThatAllSee) {
  const std::vector<GlobalTokenRule> rules = {{GlobalRule::kFirst, 0},
                                              {GlobalRule::kBeforeSeparator, 2},
                                              {GlobalRule::kBeforeSeparator, 3},
                                              {GlobalRule::kBehindSeparator, 2}};
  for (const GlobalTokenRule& tokens : rules) {
    const AttentionRule wanted{1, 0.5, {2, 3, tokens}};
    const auto rule = attention_rule(attentions_by(wanted), candidates(rules));
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->mask, wanted.mask);
    EXPECT_EQ(rule->factor, 1);
    EXPECT_EQ(rule->global_factor, 0.5);
  }
}

TEST(AttentionRule, TellsNothingElse) {
  const AttentionRule wanted{1, 1, {2, 3, {}}};
  EXPECT_FALSE(attention_rule(attentions_by({0.25, 1, {2, 3, {}}}), candidates({{}})));
  EXPECT_FALSE(attention_rule(attentions_by({1, 0.25, {2, 3, {GlobalRule::kFirst, 0}}}),
                              candidates({{GlobalRule::kFirst, 0}})));
  EXPECT_FALSE(attention_rule(attentions_by(wanted), candidates({{GlobalRule::kFirst, 0}})));
  // One number of one token in one head.
  for (const size_t probe : {size_t{0}, size_t{3}}) {
    auto changed = attentions_by(wanted);
    changed[probe].context[kColumns + kSize] += 1e-6;
    EXPECT_FALSE(attention_rule(changed, candidates({{}})));
  }
  // Rows of padding hold anything.
  auto padded = attentions_by(wanted);
  padded[0].context.back() += 1;
  EXPECT_TRUE(attention_rule(padded, candidates({{}})));
}

}  // namespace
}  // namespace tamis::onnx
