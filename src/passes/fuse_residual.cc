#include "passes/match.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

// The product that `value` is, if another can be added to it where it is computed.
const Node* open_product(const Uses& uses, ValueId value) {
  if (!uses.used_once(value)) return nullptr;
  const Node* matmul = uses.producer(value, OpKind::kMatMul);
  return matmul != nullptr && !matmul->has(Operand::kResidual) ? matmul : nullptr;
}

}  // namespace

// Add(MatMul(x, weight, bias?), skip) -> MatMul(x, weight, bias?, skip), what is left of the
// residual sums where they are read by more than a LayerNormalization. Marks on the sum forbid it.
bool fuse_residual(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const Node& add : graph.nodes()) {
    if (add.op != OpKind::kAdd || !add.quantizers.empty()) continue;
    ValueId sum = add.operand(Operand::kX);
    ValueId skip = add.operand(Operand::kY);
    if (graph.is_constant(skip) || graph.value(sum).shape != graph.value(skip).shape) continue;
    if (open_product(uses, sum) == nullptr) std::swap(sum, skip);
    const Node* matmul = open_product(uses, sum);
    if (matmul == nullptr) continue;
    Node fused = *matmul;
    fused.set_operand(Operand::kResidual, skip);
    rewrite.replace(&add, std::move(fused));
    rewrite.erase(matmul);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
