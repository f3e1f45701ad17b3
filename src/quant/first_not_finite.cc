#include "quant/first_not_finite.h"

#include <algorithm>
#include <cmath>

#include "quant/partial_run.h"

namespace tamis::quant {

namespace {

bool is_token_rows(const graph::Value& value) {
  return value.dtype == DType::kF32 && value.shape.rank() == 2 &&
         value.shape.symbol() == graph::Symbol::kTokens;
}

}  // namespace

std::string first_not_finite(graph::Graph graph, const engine::PackedBatch& batch,
                             ThreadPool& pool) {
  for (graph::Node& node : graph.nodes()) {
    for (graph::Quantizer& mark : node.quantizers) mark.enabled = false;
  }
  graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kF32);
  PartialRun run(graph, batch, pool, {});
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    const graph::Value& value = graph.value(node.output);
    if (!is_token_rows(value)) continue;
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::ranges::all_of(run.get(value.name), finite)) return node.scope;
    run.keep_for(i + 1);
  }
  return {};
}

}  // namespace tamis::quant
