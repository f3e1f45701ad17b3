#include <algorithm>

#include "base/error.h"
#include "kernels/reference/reference.h"
#include "passes/match.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

bool is_float_constant(const graph::Graph& graph, ValueId id) {
  return graph.is_constant(id) && graph.value(id).dtype == DType::kF32;
}

// left op right, element by element, by the reference kernels.
Tensor evaluate(OpKind op, const Tensor& left, const Tensor& right) {
  Tensor result(DType::kF32, left.shape());
  const auto x = left.as<float>();
  const auto y = right.as<float>();
  const auto out = result.mutable_as<float>();
  if (op == OpKind::kAdd) {
    kernels::reference::add(x, y, out);
    return result;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    kernels::reference::scale(x.subspan(i, 1), y[i], out.subspan(i, 1));
  }
  return result;
}

bool is_elementwise(const Node& node) {
  return (node.op == OpKind::kAdd || node.op == OpKind::kMul) && node.quantizers.empty();
}

// The result of op(a, b) for two constants, as a constant named after the node's output.
ValueId fold(graph::Graph& graph, const Node& node, ValueId a, ValueId b) {
  const std::string name = graph.value(node.output).name;
  Tensor value = evaluate(node.op, *graph.value(a).constant, *graph.value(b).constant);
  return graph.add_constant(cat(name, ".folded"), std::make_shared<const Tensor>(std::move(value)));
}

// For two constants of one shape.
bool fold_chain(graph::Graph& graph, Node& node) {
  const Uses uses(graph);
  const Node* inner = uses.producer(node.operand(Operand::kX), node.op);
  if (inner == nullptr || !is_elementwise(*inner) || !uses.used_once(inner->output)) return false;
  const ValueId first = inner->operand(Operand::kY);
  const ValueId second = node.operand(Operand::kY);
  if (is_float_constant(graph, inner->operand(Operand::kX)) || !is_float_constant(graph, first) ||
      !is_float_constant(graph, second) || graph.value(first).shape != graph.value(second).shape) {
    return false;
  }
  node.inputs = {inner->operand(Operand::kX), fold(graph, node, first, second)};
  return true;
}

}  // namespace

// op(op(x, c1), c2) -> op(x, c1 op c2): what can be computed of constants alone is computed once.
bool fold_constants(graph::Graph& graph) {
  bool changed = false;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (!is_elementwise(graph.nodes()[i])) continue;
    changed = fold_chain(graph, graph.nodes()[i]) || changed;
  }
  if (changed) graph.remove_dead();
  return changed;
}

}  // namespace tamis::passes
