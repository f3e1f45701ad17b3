#include <set>

#include "graph/graph.h"

namespace tamis::graph {

namespace {

// Attention's marks are q, k, v and the probabilities, whether or not q, k and v come as one.
bool may_mark(const Node& node, Operand operand) {
  if (node.has(operand)) return true;
  return node.op == OpKind::kAttention &&
         (operand == Operand::kK || operand == Operand::kV || operand == Operand::kProbabilities);
}

void verify_node(const Graph& graph, const Node& node, const std::vector<bool>& defined) {
  const auto refuse = [&node](const auto&... parts) {
    fail(ErrorCode::kInvalidArgument, "graph: ", op_name(node.op), " at \"", node.scope, "\" ",
         parts...);
  };
  for (const ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    if (input < 0 || static_cast<size_t>(input) >= graph.value_count()) {
      refuse("reads value ", input, ", which does not exist");
    }
    if (!defined[static_cast<size_t>(input)]) {
      refuse("reads \"", graph.value(input).name, "\" before it is made");
    }
  }
  const Value& output = graph.value(node.output);
  if (defined[static_cast<size_t>(node.output)]) refuse("makes \"", output.name, "\" again");
  const ValueType type = infer_output(graph, node);
  if (type.dtype != output.dtype || type.shape != output.shape) {
    refuse("gives ", dtype_name(type.dtype), type.shape.to_string(), " but \"", output.name,
           "\" is ", dtype_name(output.dtype), output.shape.to_string());
  }
  for (const Quantizer& mark : node.quantizers) {
    if (!may_mark(node, mark.operand)) {
      refuse("has a quantizer on ", operand_name(mark.operand), ", which is not there");
    }
    if (mark.names.empty()) refuse("has a quantizer without a name");
  }
  if (has_integer_weight(node) && node.enabled_mark(Operand::kX) == nullptr) {
    refuse("has an integer weight but no quantizer that is on for its input");
  }
}

}  // namespace

void verify(const Graph& graph) {
  std::vector<bool> defined(graph.value_count(), false);
  std::set<std::string_view> names;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (!names.insert(value.name).second) {
      fail(ErrorCode::kInvalidArgument, "graph: two values are named \"", value.name, "\"");
    }
    defined[i] = value.constant != nullptr;
  }
  for (const ValueId input : graph.inputs()) defined[static_cast<size_t>(input)] = true;
  for (const Node& node : graph.nodes()) {
    if (node.output < 0 || static_cast<size_t>(node.output) >= graph.value_count()) {
      fail(ErrorCode::kInvalidArgument, "graph: ", op_name(node.op), " has no output value");
    }
    verify_node(graph, node, defined);
    defined[static_cast<size_t>(node.output)] = true;
  }
  if (graph.outputs().empty()) fail(ErrorCode::kInvalidArgument, "graph: no outputs");
  for (const GraphOutput& output : graph.outputs()) {
    if (output.value == kNoValue || !defined[static_cast<size_t>(output.value)]) {
      fail(ErrorCode::kInvalidArgument, "graph: output \"", output.name, "\" is never made");
    }
  }
}

}  // namespace tamis::graph
