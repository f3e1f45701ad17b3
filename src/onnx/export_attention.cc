// Attention, in its parts and fused, over heads of padded batches.
#include "base/bf16.h"
#include "onnx/exporter.h"

namespace tamis::onnx {

using graph::AttentionAttributes;
using graph::Node;
using graph::Operand;

namespace {

// The least number of the type that is finite; scores of padding may go to its infinity, as each
// query has keys besides.
double lowest(ElementType type) {
  if (type == ElementType::kFloat16) return -double{kMostHalf};
  return type == ElementType::kBfloat16 ? -3.3895313892515355e38 : -3.4028234663852886e38;
}

}  // namespace

// What padding adds to scores: 0 for tokens.
std::string Exporter::mask() {
  if (!mask_.empty()) return mask_;
  const std::string wide = add("", "Unsqueeze", {"attention_mask", out_.list({1, 2})});
  const std::string ones = out_.cast("", wide, out_.floats());
  const std::string padding = add("", "Sub", {number(1), ones});
  mask_ = add("", "Mul", {padding, number(lowest(out_.floats()))});
  return mask_;
}

void Exporter::check_attention(const Node& node) const {
  const auto& fields = node.attribute<AttentionAttributes>();
  AttentionAttributes plain;
  plain.heads = fields.heads;
  plain.arithmetic = fields.arithmetic;
  plain.scale = fields.scale;
  const bool positions = node.has(Operand::kBias) || node.has(Operand::kPositionKeys);
  if (fields == plain && !positions) return;
  refuse(node, "windows, biases of positions and shared keys are not written");
}

// [batch, heads, tokens, size], or keys' [batch, heads, size, tokens].
std::string Exporter::split_heads(const Node& node, const std::string& x,
                                  std::vector<int64_t> perm) {
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  // All of them have as many columns as the layer has, as none share keys.
  const Operand first = node.op == graph::OpKind::kAttentionContext ? Operand::kV : Operand::kQ;
  const graph::ValueId of =
      node.op == graph::OpKind::kAttention ? node.output : node.operand(first);
  const int64_t size = columns(of) / heads;
  const std::string split = add(node.scope, "Reshape", {x, out_.list({0, 0, heads, size})});
  return add(node.scope, "Transpose", {split}, {list_attribute("perm", std::move(perm))});
}

std::string Exporter::write_scores(const Node& node, const std::string& q, const std::string& k) {
  check_attention(node);
  const std::string queries =
      through_integers(node, Operand::kQ, split_heads(node, q, {0, 2, 1, 3}));
  const std::string keys = through_integers(node, Operand::kK, split_heads(node, k, {0, 2, 3, 1}));
  const std::string scores = add(node.scope, "MatMul", {queries, keys});
  const float scale = node.attribute<AttentionAttributes>().scale;
  return scale == 1 ? scores : add(node.scope, "Mul", {scores, number(scale)});
}

std::string Exporter::write_softmax(std::string_view scope, const std::string& scores) {
  return add(scope, "Softmax", {add(scope, "Add", {scores, mask()})},
             {integer_attribute("axis", -1)});
}

std::string Exporter::write_context(const Node& node, const std::string& probabilities,
                                    const std::string& v) {
  check_attention(node);
  const std::string values =
      through_integers(node, Operand::kV, split_heads(node, v, {0, 2, 1, 3}));
  const std::string weights = through_integers(node, Operand::kProbabilities, probabilities);
  const std::string context = add(node.scope, "MatMul", {weights, values});
  const std::string tokens =
      add(node.scope, "Transpose", {context}, {list_attribute("perm", {0, 2, 1, 3})});
  return add(node.scope, "Reshape", {tokens, out_.list({0, 0, columns(node.output)})});
}

// Queries, keys or values, which may lie in one value beside others.
std::string Exporter::part(const Node& attention, Operand operand) {
  const graph::AttentionPart found = attention_part(graph_, attention, operand);
  if (found.columns == columns(found.value)) return value(found.value);
  const auto made = parts_.find({found.value, found.first_column});
  if (made == parts_.end()) refuse(attention, "columns that no linear layer of their own makes");
  return made->second;
}

std::string Exporter::write_attention(const Node& node) {
  check_attention(node);
  const std::string scores = write_scores(node, part(node, Operand::kQ), part(node, Operand::kK));
  return write_context(node, write_softmax(node.scope, scores), part(node, Operand::kV));
}

}  // namespace tamis::onnx
