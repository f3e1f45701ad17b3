#include "quant/half_range.h"

#include <cmath>

#include "quant/partial_run.h"

namespace tamis::quant {

using graph::Operand;

namespace {

constexpr float kMostHalf = 65504;

bool is_token_rows(const graph::Graph& graph, graph::ValueId id) {
  const graph::Value& value = graph.value(id);
  return value.dtype == DType::kF32 && value.shape.rank() == 2 &&
         value.shape.symbol() == graph::Symbol::kTokens;
}

std::optional<float> first_beyond(std::span<const float> rows) {
  for (const float value : rows) {
    if (!(std::abs(value) <= kMostHalf)) return value;
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
    if (!(std::abs(x[i] + skip[i]) <= kMostHalf)) return x[i] + skip[i];
  }
  return std::nullopt;
}

}  // namespace

std::optional<HalfOverflow> find_half_overflow(const graph::Graph& graph,
                                               const engine::PackedBatch& batch, ThreadPool& pool) {
  PartialRun run(graph, batch, pool);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (!is_token_rows(graph, node.output)) continue;
    std::optional<float> beyond = sum_beyond(graph, node, run);
    if (!beyond) beyond = first_beyond(run.get(graph.value(node.output).name));
    if (beyond) return HalfOverflow{node.scope, *beyond};
    run.keep_for(i + 1);
  }
  return std::nullopt;
}

}  // namespace tamis::quant
