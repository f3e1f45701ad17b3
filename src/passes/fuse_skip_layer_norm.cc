#include "passes/match.h"

namespace tamis::passes {

using graph::Operand;

// LayerNormalization(Add(x, skip), gamma, beta) -> SkipLayerNormalization(x, skip, gamma, beta).
bool fuse_skip_layer_norm(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const graph::Node& add : graph.nodes()) {
    if (add.op != graph::OpKind::kAdd) continue;
    const graph::ValueId x = add.operand(Operand::kX);
    const graph::ValueId skip = add.operand(Operand::kY);
    if (graph.value(x).shape != graph.value(skip).shape) continue;
    const graph::Node* norm = uses.only_consumer(add.output, graph::OpKind::kLayerNormalization);
    if (norm == nullptr) continue;
    graph::Node fused = *norm;
    fused.op = graph::OpKind::kSkipLayerNormalization;
    fused.inputs = {x, skip, norm->operand(Operand::kGamma), norm->operand(Operand::kBeta)};
    while (fused.inputs.back() == graph::kNoValue) fused.inputs.pop_back();
    fused.quantizers.clear();
    move_marks(add, Operand::kX, Operand::kX, fused.quantizers);
    move_marks(add, Operand::kY, Operand::kSkip, fused.quantizers);
    rewrite.replace(norm, std::move(fused));
    rewrite.erase(&add);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
