// Norms, by themselves and of sums.
#include "onnx/export/export_norm.h"

#include "onnx/export/export_embedding.h"
#include "onnx/export/export_ops.h"
#include "onnx/export/export_quantized.h"

namespace tamis::onnx {

using graph::Node;
using graph::Operand;

std::string layer_norm(ExportContext& c, std::string_view scope, const std::string& x,
                       const NormConstants& constants) {
  std::vector<std::string> inputs = {x, constants.gamma};
  if (!constants.beta.empty()) inputs.push_back(constants.beta);
  const std::string y =
      c.add(scope, "LayerNormalization", std::move(inputs),
            {integer_attribute("axis", -1), number_attribute("epsilon", constants.epsilon)});
  return c.out().narrow(scope, y);
}

std::string unit_length(ExportContext& c, std::string_view scope, const std::string& x) {
  const std::string length = c.out().reduce(scope, "ReduceL2", x, -1, true);
  return c.add(scope, "Div", {x, c.add(scope, "Clip", {length, c.out().wide_number(1e-12)})});
}

namespace {

// A node's norm of `rows`, which lie in the file's float type.
std::string norm_of(ExportContext& c, const Node& node, const std::string& rows) {
  const std::string x = c.out().widen(node.scope, rows);
  c.set_norm_input(node.output, x);
  NormConstants constants;
  constants.gamma = c.constant(node.operand(Operand::kGamma), true);
  if (node.has(Operand::kBeta)) constants.beta = c.constant(node.operand(Operand::kBeta), true);
  constants.epsilon = node.attribute<graph::LayerNormAttributes>().epsilon;
  return layer_norm(c, node.scope, x, constants);
}

}  // namespace

std::string write_norm(ExportContext& c, const Node& node) {
  return norm_of(c, node, operand_of(c, node, Operand::kX));
}

std::string write_skip_norm(ExportContext& c, const Node& node) {
  const std::string sum = c.add(
      node.scope, "Add", {operand_of(c, node, Operand::kX), operand_of(c, node, Operand::kSkip)});
  return norm_of(c, node, sum);
}

std::string write_embedding_norm(ExportContext& c, const Node& node) {
  return norm_of(c, node, sum_of_embeddings(c, node));
}

// A mean of squares, over all columns or each head's.
std::string write_rms_norm(ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<graph::RmsNormAttributes>();
  const std::string& s = node.scope;
  const int64_t n = c.columns(node.output);
  std::string x = c.out().widen(s, operand_of(c, node, Operand::kX));
  const bool by_head = fields.heads != 1;
  if (by_head) x = c.add(s, "Reshape", {x, c.out().list({0, 0, fields.heads, n / fields.heads})});
  const std::string squares = c.add(s, "Mul", {x, x});
  const std::string mean = c.out().reduce(s, "ReduceMean", squares, -1, true);
  const std::string root =
      c.add(s, "Sqrt", {c.add(s, "Add", {mean, c.out().wide_number(fields.epsilon)})});
  const std::string gamma = c.constant(node.operand(Operand::kGamma), true);
  std::string y = c.add(s, "Mul", {c.add(s, "Div", {x, root}), gamma});
  if (by_head) y = c.add(s, "Reshape", {y, c.out().list({0, 0, n})});
  return c.out().narrow(s, y);
}

std::string write_unit_length(ExportContext& c, const Node& node) {
  const std::string x = c.out().widen(node.scope, operand_of(c, node, Operand::kX));
  return c.out().narrow(node.scope, unit_length(c, node.scope, x));
}

}  // namespace tamis::onnx
