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
  const std::vector<int64_t> widths = merged_rows(node, modules.size());
  std::vector<LinearPart> parts;
  int64_t first = 0;
  for (size_t i = 0; i < modules.size(); ++i) {
    parts.push_back({modules[i], modules[i] + ".weight", modules[i] + ".bias", first, widths[i]});
    first += widths[i];
  }
  return parts;
}

// Rows of each layer of a merged one: as the attention behind it reads them, else alike.
std::vector<int64_t> Exporter::merged_rows(const Node& node, size_t count) const {
  const int64_t rows = graph_.value(node.operand(Operand::kWeight)).shape[0].size;
  const auto is_of_node = [&](ValueId id) {
    const Node* made = maker(id);
    const bool turned = made != nullptr && made->op == graph::OpKind::kRotary;
    return (turned ? made->operand(Operand::kX) : id) == node.output;
  };
  std::map<int64_t, int64_t> found;  // columns by the first one
  for (const Node& reader : graph_.nodes()) {
    if (reader.op != graph::OpKind::kAttention) continue;
    for (const Operand operand : {Operand::kQ, Operand::kK, Operand::kV}) {
      const graph::AttentionPart part = attention_part(graph_, reader, operand);
      if (is_of_node(part.value)) found[part.first_column] = part.columns;
    }
  }
  std::vector<int64_t> widths;
  for (const auto& [first, columns] : found) widths.push_back(columns);
  if (widths.size() == count) return widths;
  const auto parts = static_cast<int64_t>(count);
  if (rows % parts != 0) refuse(node, "merged layers of different widths are not written");
  return std::vector<int64_t>(count, rows / parts);
}

// A value's parts that were written apart, in order; or all of it.
std::vector<WrittenPart> Exporter::parts_of(ValueId id) {
  std::vector<WrittenPart> parts;
  for (auto at = parts_.lower_bound({id, 0}); at != parts_.end() && at->first.first == id; ++at) {
    parts.push_back({at->second, at->first.second, columns(id) - at->first.second});
    if (parts.size() > 1) {
      WrittenPart& before = parts[parts.size() - 2];
      before.columns = at->first.second - before.first_column;
    }
  }
  if (parts.size() > 1) return parts;
  return {{value(id), 0, columns(id)}};
}

// act(gate) * up, of the two halves of a row.
std::string Exporter::write_gate(const Node& node) {
  const auto& fields = node.attribute<graph::GluAttributes>();
  const ValueId x = node.operand(Operand::kX);
  const int64_t half = columns(x) / 2;
  std::vector<WrittenPart> parts = parts_of(x);
  if (parts.size() == 1) {
    const std::string all = parts[0].name;
    parts = {{write_slice(node.scope, all, 0, half), 0, half},
             {write_slice(node.scope, all, half, 2 * half), half, half}};
  }
  if (parts.size() != 2 || parts[1].first_column != half) {
    refuse(node, "halves that are not those of a linear layer");
  }
  if (!fields.gate_first) std::swap(parts[0], parts[1]);
  return add(node.scope, "Mul",
             {write_activation(node, parts[0].name, fields.activation), parts[1].name});
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
