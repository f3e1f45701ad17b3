#include <array>

#include "base/error.h"
#include "passes/match.h"
#include "passes/merge_matmuls.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

/// A product of two MatMuls of one value, one behind an activation.
struct GatedUnit {
  std::array<const Node*, 2> matmuls = {};  // gate, up
  Activation activation = Activation::kNone;
};

// The gate is the operand behind an Activation; a product without any is no gated unit.
bool match(const Uses& uses, ValueId gate, ValueId up, GatedUnit& unit) {
  if (!uses.used_once(gate) || !uses.used_once(up)) return false;
  const Node* activation = uses.producer(gate, OpKind::kActivation);
  if (activation == nullptr) return false;
  gate = activation->operand(Operand::kX);
  if (!uses.used_once(gate)) return false;
  unit.activation = activation->attribute<graph::ActivationAttributes>().activation;
  unit.matmuls = {uses.producer(gate, OpKind::kMatMul), uses.producer(up, OpKind::kMatMul)};
  return unit.matmuls[0] != nullptr && unit.matmuls[1] != nullptr && can_merge(unit.matmuls);
}

}  // namespace

// Mul(Activation(MatMul(x, gate)), MatMul(x, up)) -> Glu(MatMul(x, gate and up stacked)): x is read
// once, and the product is taken while its factors are at hand.
bool fuse_glu(graph::Graph& graph) {
  bool changed = false;
  Stacks stacks;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& mul = graph.nodes()[i];
    if (mul.op != OpKind::kMul || !mul.quantizers.empty()) continue;
    const ValueId x = mul.operand(Operand::kX);
    const ValueId y = mul.operand(Operand::kY);
    const Uses uses(graph);
    GatedUnit unit;
    if (!match(uses, x, y, unit) && !match(uses, y, x, unit)) continue;
    const std::string scope = mul.scope;
    MergedMatMul merged = merge(graph, unit.matmuls, stacks, "+up");
    const ValueId both =
        graph.insert_node(i, OpKind::kMatMul, std::move(merged.inputs), graph::MatMulAttributes{},
                          scope, cat(scope, ".gate_up"));
    graph.nodes()[i].quantizers = std::move(merged.quantizers);
    Node& glu = graph.nodes()[++i];
    glu.op = OpKind::kGlu;
    glu.inputs = {both};
    glu.attributes = graph::GluAttributes{unit.activation, true};
    changed = true;
  }
  if (changed) graph.remove_dead();
  return changed;
}

}  // namespace tamis::passes
