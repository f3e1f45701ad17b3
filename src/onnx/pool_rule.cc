#include "onnx/pool_rule.h"

#include <cmath>

namespace tamis::onnx {

namespace {

// Weights are quotients of float32 and roots of them, each rounded by 6e-8.
constexpr double kTolerance = 1e-6;

struct PoolRow {
  graph::PoolMode mode;
  double (*weight)(double place, double tokens);
};
constexpr PoolRow kPools[] = {
    {graph::PoolMode::kCls, [](double place, double) { return place == 0 ? 1.0 : 0.0; }},
    {graph::PoolMode::kMean, [](double, double tokens) { return 1 / tokens; }},
    {graph::PoolMode::kMeanSqrtLen, [](double, double tokens) { return 1 / std::sqrt(tokens); }},
    {graph::PoolMode::kWeightedMean,
     [](double place, double tokens) { return (place + 1) / (tokens * (tokens + 1) / 2); }},
    {graph::PoolMode::kLastToken,
     [](double place, double tokens) { return place + 1 == tokens ? 1.0 : 0.0; }},
};

bool follows(const Array& weights, const Probe& probe, const PoolRow& row) {
  const int64_t tokens = probe.sizes.tokens;
  if (weights.elements() != probe.sizes.sequences * tokens) return false;
  for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
    const double count = probe.count_tokens(b);
    for (int64_t i = 0; i < tokens; ++i) {
      const double wanted = probe.is_token(b, i) ? row.weight(static_cast<double>(i), count) : 0;
      if (!(std::abs(weights[b * tokens + i] - wanted) <= kTolerance * wanted)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<graph::PoolMode> pool_rule(std::span<const Array> weights,
                                         std::span<const Probe> probes) {
  for (const PoolRow& row : kPools) {
    bool all = true;
    for (size_t p = 0; p < weights.size(); ++p) all = all && follows(weights[p], probes[p], row);
    if (all) return row.mode;
  }
  return std::nullopt;
}

}  // namespace tamis::onnx
