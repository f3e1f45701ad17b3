#include "passes/match.h"

namespace tamis::passes {

// Add(MatMul(x, weight), constant row) -> MatMul(x, weight, row).
bool fuse_bias(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const graph::Node& matmul : graph.nodes()) {
    if (matmul.op != graph::OpKind::kMatMul || matmul.has(graph::Operand::kBias) ||
        matmul.has(graph::Operand::kResidual)) {
      continue;
    }
    if (matmul.attribute<graph::MatMulAttributes>().activation != Activation::kNone) continue;
    const graph::Node* add = uses.only_consumer(matmul.output, graph::OpKind::kAdd);
    if (add == nullptr || add->operand(graph::Operand::kX) != matmul.output) continue;
    const graph::ValueId bias = add->operand(graph::Operand::kY);
    if (!graph.is_constant(bias) || graph.value(bias).shape.rank() != 1) continue;
    graph::Node fused = matmul;
    fused.set_operand(graph::Operand::kBias, bias);
    rewrite.replace(add, std::move(fused));
    rewrite.erase(&matmul);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
