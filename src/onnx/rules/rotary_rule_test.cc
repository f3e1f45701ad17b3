#include "onnx/rules/rotary_rule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tamis::onnx {
namespace {

const std::array<Probe, kProbes>& probes() {
  static const auto kMade = make_probes(512);
  return kMade;
}

// f(angle) in [1, 1, tokens, 2 * frequencies], in float32 as a file's runtime computes it.
std::vector<Array> tables(const std::vector<float>& frequencies, float (*f)(float), float scale,
                          RotaryPairs by = RotaryPairs::kHalves) {
  std::vector<Array> arrays;
  for (const Probe& probe : probes()) {
    const auto pairs = static_cast<int64_t>(frequencies.size());
    std::vector<double> values;
    for (int64_t i = 0; i < probe.sizes.tokens; ++i) {
      for (int64_t j = 0; j < 2 * pairs; ++j) {
        const int64_t pair = by == RotaryPairs::kNeighbors ? j / 2 : j % pairs;
        const float angle = static_cast<float>(i) * frequencies[static_cast<size_t>(pair)];
        values.push_back(static_cast<double>(scale * f(angle)));
      }
    }
    arrays.push_back(
        make_array({1, 1, probe.sizes.tokens, 2 * pairs}, ElementType::kFloat, std::move(values)));
  }
  return arrays;
}

float cosine(float x) { return std::cos(x); }
float sine(float x) { return std::sin(x); }

TEST(RotaryRule, FindsTheFrequencies) {
  std::vector<float> wanted;
  for (int i = 0; i < 16; ++i) wanted.push_back(std::pow(160000.0f, -static_cast<float>(i) / 16));
  for (const float scale : {1.0f, 1.25f}) {
    const auto rule = rotary_rule(tables(wanted, cosine, scale), tables(wanted, sine, scale),
                                  probes(), RotaryPairs::kHalves);
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->scale, scale);
    for (size_t i = 0; i < wanted.size(); ++i) {
      // Half a unit in the last place of angles up to 511 times it.
      EXPECT_NEAR(rule->frequencies[i], wanted[i], 2e-7f * wanted[i]) << i;
    }
  }
}

TEST(RotaryRule, KnowsNoOthers) {
  const std::vector<float> frequencies = {1.0f, 0.1f};
  const auto cosines = tables(frequencies, cosine, 1);
  EXPECT_FALSE(rotary_rule(cosines, cosines, probes(), RotaryPairs::kHalves));
  EXPECT_FALSE(
      rotary_rule(cosines, tables(frequencies, sine, 1.5f), probes(), RotaryPairs::kHalves));
  EXPECT_FALSE(rotary_rule(cosines, tables({1.0f, 0.2f}, sine, 1), probes(), RotaryPairs::kHalves));
  EXPECT_FALSE(rotary_rule(tables(
                               frequencies, [](float x) { return 1 - x; }, 1),
                           tables(
                               frequencies, [](float x) { return x; }, 1),
                           probes(), RotaryPairs::kHalves));
}

TEST(RotaryRule, TellsNeighborsFromHalves) {
  const std::vector<float> frequencies = {1.0f, 0.1f, 0.01f};
  for (const RotaryPairs made : {RotaryPairs::kHalves, RotaryPairs::kNeighbors}) {
    const auto cosines = tables(frequencies, cosine, 1, made);
    const auto sines = tables(frequencies, sine, 1, made);
    for (const RotaryPairs asked : {RotaryPairs::kHalves, RotaryPairs::kNeighbors}) {
      const auto rule = rotary_rule(cosines, sines, probes(), asked);
      ASSERT_EQ(rule.has_value(), made == asked);
      if (rule) {
        EXPECT_NEAR(rule->frequencies[2], 0.01f, 1e-8f);
      }
    }
  }
}

}  // namespace
}  // namespace tamis::onnx
