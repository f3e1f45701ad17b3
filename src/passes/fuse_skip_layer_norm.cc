#include "passes/match.h"

namespace tamis::passes {

// LayerNormalization(Add(x, skip), gamma, beta) -> SkipLayerNormalization(x, skip, gamma, beta).
bool fuse_skip_layer_norm(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const graph::Node& add : graph.nodes()) {
    if (add.op != graph::OpKind::kAdd) continue;
    if (graph.value(add.inputs[0]).shape != graph.value(add.inputs[1]).shape) continue;
    const graph::Node* norm = uses.only_consumer(add.output, graph::OpKind::kLayerNormalization);
    if (norm == nullptr) continue;
    graph::Node fused = *norm;
    fused.op = graph::OpKind::kSkipLayerNormalization;
    fused.inputs = {add.inputs[0], add.inputs[1], norm->inputs[1], norm->inputs[2]};
    fused.quantizers.clear();
    move_marks(add, 0, 0, fused.quantizers);
    move_marks(add, 1, 1, fused.quantizers);
    rewrite.replace(norm, std::move(fused));
    rewrite.erase(&add);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
