#include "passes/match.h"

namespace tamis::passes {

// Activation(MatMul(x, weight, bias?)) -> MatMul{activation}(x, weight, bias?).
bool fuse_activation(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const graph::Node& matmul : graph.nodes()) {
    if (matmul.op != graph::OpKind::kMatMul || matmul.has(graph::Operand::kResidual)) continue;
    if (matmul.attribute<graph::MatMulAttributes>().activation != Activation::kNone) continue;
    const graph::Node* activation = uses.only_consumer(matmul.output, graph::OpKind::kActivation);
    if (activation == nullptr) continue;
    graph::Node fused = matmul;
    fused.attributes =
        graph::MatMulAttributes{activation->attribute<graph::ActivationAttributes>().activation};
    rewrite.replace(activation, std::move(fused));
    rewrite.erase(&matmul);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
