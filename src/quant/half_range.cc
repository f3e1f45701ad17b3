#include "quant/half_range.h"

#include <cmath>

#include "base/bf16.h"
#include "quant/token_rows.h"

namespace tamis::quant {

using graph::Operand;

namespace {

// NaN is beyond too.
bool is_beyond(float value) { return !(std::abs(value) <= kMostHalf); }

std::optional<float> first_beyond(std::span<const float> rows) {
  for (const float value : rows) {
    if (is_beyond(value)) return value;
  }
  return std::nullopt;
}

// What a SkipLayerNormalization normalizes.
std::optional<float> sum_beyond(const graph::Graph& graph, const graph::Node& node,
                                PartialRun& run) {
  if (node.op != graph::OpKind::kSkipLayerNormalization) return std::nullopt;
  const std::span<const float> x = run.get(graph.value(node.operand(Operand::kX)).name);
  const std::span<const float> skip = run.get(graph.value(node.operand(Operand::kSkip)).name);
  for (size_t i = 0; i < x.size(); ++i) {
    if (is_beyond(x[i] + skip[i])) return x[i] + skip[i];
  }
  return std::nullopt;
}

}  // namespace

std::optional<HalfOverflow> find_half_overflow(const graph::Graph& graph,
                                               const engine::PackedBatch& batch, ThreadPool& pool) {
  PartialRun run(graph, batch, pool);
  std::optional<float> beyond;
  const graph::Node* const found =
      find_token_rows(graph, run, [&](const graph::Node& node, std::span<const float> rows) {
        beyond = sum_beyond(graph, node, run);
        if (!beyond) beyond = first_beyond(rows);
        return beyond.has_value();
      });
  if (found == nullptr) return std::nullopt;
  return HalfOverflow{found->scope, *beyond};
}

}  // namespace tamis::quant
