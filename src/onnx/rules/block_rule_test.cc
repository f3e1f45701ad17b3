#include "onnx/rules/block_rule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/reference/attention_blocks.h"

namespace tamis::onnx {
namespace {

constexpr int64_t kLongest = 60;

// What BigBird's blocks add, with padding hidden.
std::vector<Array> added(const std::array<Probe, kProbes>& probes, int64_t size, int64_t random) {
  kernels::AttentionTerms terms;
  terms.block_size = size;
  terms.random_blocks = random;
  std::vector<Array> arrays;
  for (const Probe& probe : probes) {
    const int64_t n = probe.sizes.tokens;
    std::vector<double> values;
    for (int64_t s = 0; s < probe.sizes.sequences; ++s) {
      const auto count = static_cast<int64_t>(probe.count_tokens(s));
      const auto blocks = kernels::reference::sequence_blocks(terms, count);
      for (int64_t i = 0; i < n * n; ++i) {
        const bool seen = i % n < count && blocks.sees(i / n, i % n);
        values.push_back(seen ? double{blocks.bias(i / n, i % n)} : -1e30);
      }
    }
    arrays.push_back(make_array({probe.sizes.sequences, 1, n, n}, ElementType::kFloat, values));
  }
  return arrays;
}

TEST(BlockRule, TellsSizeAndRandomBlocks) {
  const auto probes = make_probes(kLongest);
  for (const auto& [size, random] : {std::pair{1, 1}, {2, 3}, {5, 2}, {7, 1}}) {
    const auto rule = block_mask_rule(added(probes, size, random), probes);
    ASSERT_TRUE(rule.has_value()) << size;
    EXPECT_EQ(rule->block_size, size);
    EXPECT_EQ(rule->random_blocks, random);
  }
}

TEST(BlockRule, TakesNothingElse) {
  const auto probes = make_probes(kLongest);
  // No text is long enough for blocks, or gains anything.
  EXPECT_FALSE(block_mask_rule(added(probes, 12, 1), probes).has_value());
  EXPECT_FALSE(block_mask_rule(added(probes, 2, 0), probes).has_value());
  // One pair that is hidden, seen, or gains more.
  for (const double value : {-1e30, 0.0, 1.5}) {
    std::vector<Array> other = added(probes, 5, 2);
    std::vector<double> values = *other.back().data;
    values[30 * kLongest + (value == 0.0 ? 15 : 30)] = value;
    other.back() = make_array(other.back().dims, ElementType::kFloat, values);
    EXPECT_FALSE(block_mask_rule(other, probes).has_value()) << value;
  }
}

}  // namespace
}  // namespace tamis::onnx
