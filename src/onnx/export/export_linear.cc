// Linear layers: a product, what is added to it, and its activation.
#include "onnx/export/export_linear.h"

#include <map>

#include "graph/attention_part.h"
#include "onnx/export/export_convolution.h"
#include "onnx/export/export_elementwise.h"
#include "onnx/export/export_ops.h"
#include "onnx/export/export_quantized.h"

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

// Rows of each layer of a merged one: as the attention behind it reads them, else alike.
std::vector<int64_t> merged_rows(const ExportContext& c, const Node& node, size_t count) {
  const int64_t rows = c.graph().value(node.operand(Operand::kWeight)).shape[0].size;
  const auto is_of_node = [&](ValueId id) {
    const Node* made = c.maker(id);
    const bool turned = made != nullptr && made->op == graph::OpKind::kRotary;
    return (turned ? made->operand(Operand::kX) : id) == node.output;
  };
  std::map<int64_t, int64_t> found;  // columns by the first one
  for (const Node& reader : c.graph().nodes()) {
    if (reader.op != graph::OpKind::kAttention) continue;
    for (const Operand operand : {Operand::kQ, Operand::kK, Operand::kV}) {
      const graph::AttentionPart part = attention_part(c.graph(), reader, operand);
      if (is_of_node(part.value)) found[part.first_column] = part.columns;
    }
  }
  std::vector<int64_t> widths;
  for (const auto& [first, columns] : found) widths.push_back(columns);
  if (widths.size() == count) return widths;
  const auto parts = static_cast<int64_t>(count);
  if (rows % parts != 0) c.refuse(node, "merged layers of different widths are not written");
  return std::vector<int64_t>(count, rows / parts);
}

std::string float_weight(ExportContext& c, const Node& node, const LinearPart& part) {
  const ValueId id = node.operand(Operand::kWeight);
  const std::string weight = c.out().constant(part.weight, rows_of(c, id, part));
  return c.once(cat("transposed ", weight), [&] {
    return c.add(part.module, "Transpose", {weight}, {list_attribute("perm", {1, 0})});
  });
}

std::string product(ExportContext& c, const Node& node, const LinearPart& part,
                    const std::string& x) {
  const bool integers = node.op == graph::OpKind::kQuantizedMatMul;
  if (!integers && node.enabled_mark(Operand::kWeight) != nullptr) {
    c.refuse(node,
             "its weight is rounded while the product stays in float, which is not written; "
             "optimize the checkpoint, or --disable the weight's quantizer");
  }
  const std::string weight = integers ? integer_weight(c, node, part) : float_weight(c, node, part);
  std::string y = c.add(part.module, "MatMul", {x, weight});
  if (node.has(Operand::kOutlierColumns)) {
    y = c.add(part.module, "Add", {y, float_columns(c, node, part)});
  }
  if (!node.has(Operand::kBias)) return y;
  const ValueId bias = node.operand(Operand::kBias);
  return c.add(part.module, "Add", {y, c.out().constant(part.bias, rows_of(c, bias, part))});
}

// Of each layer that the node stands for; the last one's name.
std::string products(ExportContext& c, const Node& node) {
  const std::string x = through_integers(c, node, Operand::kX, scaled_input(c, node));
  const std::vector<LinearPart> parts = linear_parts(c, node);
  const bool plain = node.attribute<graph::MatMulAttributes>().activation == Activation::kNone &&
                     !node.has(Operand::kResidual);
  if (parts.size() > 1 && !plain) c.refuse(node, "merged layers with more behind are not written");
  std::string y;
  for (const LinearPart& part : parts) {
    y = product(c, node, part, x);
    c.set_part(node.output, part.first_row, y);
  }
  return y;
}

}  // namespace

std::vector<LinearPart> linear_parts(const ExportContext& c, const Node& node) {
  const ValueId weight = node.operand(Operand::kWeight);
  const ValueId bias = node.operand(Operand::kBias);
  const int64_t rows = c.graph().value(weight).shape[0].size;
  std::vector<std::string> modules;
  for (const graph::Quantizer& mark : node.quantizers) {
    if (mark.operand == Operand::kWeight && !mark.names.empty()) {
      modules.push_back(module_of_mark(mark.names[0]));
    }
  }
  if (modules.size() < 2) {
    const std::string name = bias == kNoValue ? "" : c.graph().value(bias).name;
    return {{node.scope, c.graph().value(weight).name, name, 0, rows}};
  }
  const std::vector<int64_t> widths = merged_rows(c, node, modules.size());
  std::vector<LinearPart> parts;
  int64_t first = 0;
  for (size_t i = 0; i < modules.size(); ++i) {
    parts.push_back({modules[i], modules[i] + ".weight", modules[i] + ".bias", first, widths[i]});
    first += widths[i];
  }
  return parts;
}

std::shared_ptr<const Tensor> rows_of(const ExportContext& c, ValueId id, const LinearPart& part) {
  const std::shared_ptr<const Tensor>& whole = c.graph().value(id).constant;
  if (part.rows == whole->shape()[0]) return whole;
  return std::make_shared<const Tensor>(whole->rows(part.first_row, part.first_row + part.rows));
}

std::string write_linear(ExportContext& c, const Node& node) {
  const bool convolves = is_convolution(c, node);
  const std::string sum = convolves ? convolution(c, node) : products(c, node);
  const std::string y =
      activated(c, node, sum, node.attribute<graph::MatMulAttributes>().activation);
  if (!node.has(Operand::kResidual)) return y;
  return c.add(node.scope, "Add", {y, c.value(node.operand(Operand::kResidual))});
}

}  // namespace tamis::onnx
