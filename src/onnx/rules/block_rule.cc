#include "onnx/rules/block_rule.h"

#include <cmath>

#include "kernels/reference/attention_blocks.h"

namespace tamis::onnx {

namespace {

// Scores gain ln(1 + random blocks), which half precision rounds.
constexpr double kGainError = 1e-3;

// What is added in one probe, [sequences, 1, queries, keys].
struct Added {
  const Probe& probe;
  Array mask;

  [[nodiscard]] double at(int64_t sequence, int64_t query, int64_t key) const {
    const int64_t n = probe.sizes.tokens;
    return mask[(sequence * n + query) * n + key];
  }
};

// By the query in the middle of the longest sequence: its first keys gain something.
MaskRule candidate(const Added& added) {
  const int64_t n = added.probe.sizes.tokens;
  MaskRule rule;
  const double gain = n == 0 ? 0 : added.at(0, n / 2, 0);
  if (!(gain > kGainError) || gain > 16) return rule;
  rule.random_blocks = std::lround(std::expm1(gain));
  while (rule.block_size < n && added.at(0, n / 2, rule.block_size) == gain) ++rule.block_size;
  return rule;
}

bool follows(const Added& added, const MaskRule& rule) {
  kernels::AttentionTerms terms;
  terms.block_size = rule.block_size;
  terms.random_blocks = rule.random_blocks;
  const int64_t n = added.probe.sizes.tokens;
  for (int64_t s = 0; s < added.probe.sizes.sequences; ++s) {
    const auto count = static_cast<int64_t>(added.probe.count_tokens(s));
    const auto blocks = kernels::reference::sequence_blocks(terms, count);
    for (int64_t query = 0; query < count; ++query) {
      for (int64_t key = 0; key < n; ++key) {
        const double x = added.at(s, query, key);
        const bool seen = key < count && blocks.sees(query, key);
        const bool fits =
            seen ? std::abs(x - blocks.bias(query, key)) <= kGainError * (x > 0) : x <= kMaskLimit;
        if (!fits) return false;
      }
    }
  }
  return true;
}

}  // namespace

std::optional<MaskRule> block_mask_rule(std::span<const Array> added,
                                        std::span<const Probe> probes) {
  std::vector<Added> all;
  for (size_t p = 0; p < added.size(); ++p) {
    Dims dims = added[p].dims;
    while (dims.size() < 4) dims.insert(dims.begin(), 1);
    const BatchSizes& sizes = probes[p].sizes;
    const Dims wanted = {sizes.sequences, 1, sizes.tokens, sizes.tokens};
    if (dims.size() != 4 || broadcast_dims(dims, wanted) != wanted) return std::nullopt;
    all.push_back({probes[p], spread({dims, added[p].type, added[p].data}, wanted)});
  }
  const MaskRule rule = all.empty() ? MaskRule{} : candidate(all.back());
  if (rule.block_size == 0 || rule.random_blocks == 0) return std::nullopt;
  for (const Added& one : all) {
    if (!follows(one, rule)) return std::nullopt;
  }
  return rule;
}

}  // namespace tamis::onnx
