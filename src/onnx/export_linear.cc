// Linear layers: a product, what is added to it, and its activation.
#include "onnx/exporter.h"

namespace tamis::onnx {

using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::ValueId;

namespace {

constexpr std::string_view kWeightMark = "._weight_quantizer";

// "a.b" of "a.b._weight_quantizer".
std::string module_of_mark(const std::string& name) {
  return name.ends_with(kWeightMark) ? name.substr(0, name.size() - kWeightMark.size()) : name;
}

}  // namespace

// A merged MatMul keeps the mark of each weight, in the order of the rows.
std::vector<LinearPart> Exporter::linear_parts(const Node& node) const {
  const ValueId weight = node.operand(Operand::kWeight);
  const ValueId bias = node.operand(Operand::kBias);
  const int64_t rows = graph_.value(weight).shape[0].size;
  std::vector<std::string> modules;
  for (const graph::Quantizer& mark : node.quantizers) {
    if (mark.operand == Operand::kWeight && !mark.names.empty()) {
      modules.push_back(module_of_mark(mark.names[0]));
    }
  }
  if (modules.size() < 2) {
    const std::string name = bias == kNoValue ? "" : graph_.value(bias).name;
    return {{node.scope, graph_.value(weight).name, name, 0, rows}};
  }
  const auto count = static_cast<int64_t>(modules.size());
  if (rows % count != 0) refuse(node, "merged layers of different widths are not written");
  std::vector<LinearPart> parts;
  for (std::string& module : modules) {
    const int64_t first = static_cast<int64_t>(parts.size()) * rows / count;
    parts.push_back({module, module + ".weight", module + ".bias", first, rows / count});
  }
  return parts;
}

std::shared_ptr<const Tensor> Exporter::rows_of(ValueId id, const LinearPart& part) const {
  const std::shared_ptr<const Tensor>& whole = graph_.value(id).constant;
  if (part.rows == whole->shape()[0]) return whole;
  return std::make_shared<const Tensor>(whole->rows(part.first_row, part.first_row + part.rows));
}

std::string Exporter::float_weight(const Node& node, const LinearPart& part) {
  const ValueId id = node.operand(Operand::kWeight);
  const std::string weight = out_.constant(part.weight, rows_of(id, part));
  std::string& turned = turned_[weight];
  if (turned.empty()) {
    turned = add(part.module, "Transpose", {weight}, {list_attribute("perm", {1, 0})});
  }
  return turned;
}

std::string Exporter::bias_of(const Node& node, const LinearPart& part) {
  return out_.constant(part.bias, rows_of(node.operand(Operand::kBias), part));
}

std::string Exporter::write_product(const Node& node, const LinearPart& part,
                                    const std::string& x) {
  const bool integers = node.op == graph::OpKind::kQuantizedMatMul;
  if (!integers && node.enabled_mark(Operand::kWeight) != nullptr) {
    refuse(node,
           "its weight is rounded while the product stays in float, which is not written; "
           "optimize the checkpoint, or --disable the weight's quantizer");
  }
  const std::string weight = integers ? integer_weight(node, part) : float_weight(node, part);
  std::string y = add(part.module, "MatMul", {x, weight});
  if (node.has(Operand::kOutlierColumns)) {
    y = add(part.module, "Add", {y, write_float_columns(node, part)});
  }
  if (node.has(Operand::kBias)) y = add(part.module, "Add", {y, bias_of(node, part)});
  return y;
}

std::string Exporter::write_linear(const Node& node) {
  const std::string x = through_integers(node, Operand::kX, scaled_input(node));
  const std::vector<LinearPart> parts = linear_parts(node);
  std::string y;
  for (const LinearPart& part : parts) {
    y = write_product(node, part, x);
    parts_[{node.output, part.first_row}] = y;
  }
  const Activation activation = node.attribute<graph::MatMulAttributes>().activation;
  const bool plain = activation == Activation::kNone && !node.has(Operand::kResidual);
  if (parts.size() > 1 && !plain) refuse(node, "merged layers with more behind are not written");
  y = write_activation(node, y, activation);
  if (!node.has(Operand::kResidual)) return y;
  return add(node.scope, "Add", {y, value(node.operand(Operand::kResidual))});
}

}  // namespace tamis::onnx
