#include "base/json.h"
#include "graph/graph.h"
#include "graph/plain_name.h"

namespace tamis::graph {

namespace {

std::string in_quotes(std::string_view name) {
  return is_plain_name(name) ? std::string(name) : json_quote(name);
}

std::string value_type(const Value& value) {
  return cat(dtype_name(value.dtype), value.shape.to_string());
}

void print_node(const Graph& graph, const Node& node, std::string& out) {
  out += cat("%", in_quotes(graph.value(node.output).name), " = ", op_name(node.op), "(");
  std::string_view separator;
  for (const OperandSlot& slot : op_info(node.op).operands()) {
    const ValueId input = node.operand(slot.operand);
    if (input == kNoValue) continue;
    out += cat(separator, operand_name(slot.operand), "=%", in_quotes(graph.value(input).name));
    separator = ", ";
  }
  out += ")";
  const std::string attributes = to_string(node.attributes);
  if (!attributes.empty()) out += " " + attributes;
  if (!node.scope.empty()) out += " @" + in_quotes(node.scope);
  out += cat(" : ", value_type(graph.value(node.output)), "\n");
  for (const Quantizer& mark : node.quantizers) {
    out += cat("  quantizer ", operand_name(mark.operand), " ", scheme_name(mark.scheme), " ",
               mark.enabled ? "on" : "off");
    if (mark.low && mark.high) out += cat(" [", *mark.low, ", ", *mark.high, "]");
    for (const std::string& name : mark.names) out += " " + in_quotes(name);
    out += "\n";
  }
}

}  // namespace

std::string print(const Graph& graph) {
  std::string out = "tamis graph 2\n";
  for (const ValueId input : graph.inputs()) {
    const Value& value = graph.value(input);
    out += cat("input %", in_quotes(value.name), " : ", value_type(value), "\n");
  }
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (value.constant == nullptr) continue;
    out += cat("constant %", in_quotes(value.name), " : ", value_type(value), "\n");
  }
  for (const Node& node : graph.nodes()) print_node(graph, node, out);
  for (const GraphOutput& output : graph.outputs()) {
    out += cat("output ", in_quotes(output.name), " = %", in_quotes(graph.value(output.value).name),
               "\n");
  }
  return out;
}

}  // namespace tamis::graph
