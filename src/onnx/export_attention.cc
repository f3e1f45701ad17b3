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

// Low enough to hide a key, and far enough from half precision's end for any score.
constexpr double kLowHalf = -60000;

}  // namespace

// What keys that a query does not see add to its scores: 0 for those that it sees.
std::string Exporter::mask(const AttentionAttributes& fields) {
  std::string& made = masks_[{fields.left, fields.right}];
  if (!made.empty()) return made;
  const std::string wide = add("", "Unsqueeze", {std::string(kMaskInput), out_.list({1, 2})});
  if (fields.left < 0 && fields.right < 0) {
    const std::string ones = out_.cast("", wide, out_.floats());
    const std::string padding = add("", "Sub", {number(1), ones});
    made = add("", "Mul", {padding, number(lowest(out_.floats()))});
    return made;
  }
  const std::string tokens = out_.cast("", wide, ElementType::kBool);
  const std::string seen = add("", "And", {tokens, write_window(fields)});
  // Padding may see no key at all: its scores must stay finite.
  const bool half = out_.floats() == ElementType::kFloat16;
  made = add("", "Where", {seen, number(0), number(half ? kLowHalf : lowest(out_.floats()))});
  return made;
}

void Exporter::check_attention(const Node& node) const {
  if (node.attribute<AttentionAttributes>().global == graph::GlobalRule::kNone) return;
  refuse(node, "tokens that all others see are not written");
}

int64_t Exporter::head_size(const Node& node) const {
  const auto& fields = node.attribute<AttentionAttributes>();
  if (node.op == graph::OpKind::kAttentionContext) {
    return columns(node.operand(Operand::kV)) / fields.key_heads();
  }
  const bool whole = node.op == graph::OpKind::kAttention;
  return columns(whole ? node.output : node.operand(Operand::kQ)) / fields.heads;
}

// [batch, tokens, heads, size] with its axes in the order of `perm`.
std::string Exporter::split_heads(const Node& node, const std::string& x, int64_t heads,
                                  std::vector<int64_t> perm) {
  const std::string split =
      add(node.scope, "Reshape", {x, out_.list({0, 0, heads, head_size(node)})});
  return add(node.scope, "Transpose", {split}, {list_attribute("perm", std::move(perm))});
}

// Heads of keys or values once for each of the queries' heads that share them.
std::string Exporter::write_copies(const Node& node, const std::string& x) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const int64_t copies = fields.heads / fields.key_heads();
  if (copies == 1) return x;
  const std::string& s = node.scope;
  const std::string apart = add(s, "Unsqueeze", {x, out_.list({2})});
  const std::string all = add(s, "Expand", {apart, out_.list({1, 1, copies, 1, 1})});
  return add(s, "Reshape", {all, out_.list({0, fields.heads, -1, head_size(node)})});
}

// Keys of every head of queries, [batch, heads, size, tokens].
std::string Exporter::write_keys(const Node& node, const std::string& k) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const int64_t heads = fields.key_heads();
  if (heads == fields.heads) return split_heads(node, k, heads, {0, 2, 3, 1});
  const std::string copies = write_copies(node, split_heads(node, k, heads, {0, 2, 1, 3}));
  return add(node.scope, "Transpose", {copies}, {list_attribute("perm", {0, 1, 3, 2})});
}

std::string Exporter::write_scores(const Node& node, const std::string& q, const std::string& k) {
  check_attention(node);
  const auto& fields = node.attribute<AttentionAttributes>();
  const std::string& s = node.scope;
  const auto split = [&](Operand operand, const std::string& x) {
    return through_integers(node, operand, split_heads(node, x, fields.heads, {0, 2, 1, 3}));
  };
  const std::string queries = split(Operand::kQ, q);
  const std::string keys = through_integers(node, Operand::kK, write_keys(node, k));
  std::string scores = add(s, "MatMul", {queries, keys});
  if (node.has(Operand::kPositionKeys) || node.has(Operand::kPositionQueries)) {
    const bool reads_keys = node.has(Operand::kPositionQueries);
    const std::string rows = reads_keys ? split(Operand::kK, k) : "";
    scores = add(s, "Add", {scores, write_position_scores(node, queries, rows)});
  }
  if (fields.scale != 1) scores = add(s, "Mul", {scores, number(fields.scale)});
  return node.has(Operand::kBias) ? add(s, "Add", {scores, write_bias(node)}) : scores;
}

std::string Exporter::write_softmax(const Node& node) {
  const Node* scores = maker(node.operand(Operand::kScores));
  // A factor may stand between.
  while (scores->op == graph::OpKind::kMul) scores = maker(scores->operand(Operand::kX));
  return write_masked_softmax(node.scope, operand(node, Operand::kScores),
                              scores->attribute<AttentionAttributes>());
}

std::string Exporter::write_masked_softmax(std::string_view scope, const std::string& scores,
                                           const AttentionAttributes& fields) {
  return add(scope, "Softmax", {add(scope, "Add", {scores, mask(fields)})},
             {integer_attribute("axis", -1)});
}

std::string Exporter::write_context(const Node& node, const std::string& probabilities,
                                    const std::string& v) {
  check_attention(node);
  const int64_t heads = node.attribute<AttentionAttributes>().key_heads();
  const std::string values = through_integers(
      node, Operand::kV, write_copies(node, split_heads(node, v, heads, {0, 2, 1, 3})));
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
  const std::string probabilities =
      write_masked_softmax(node.scope, scores, node.attribute<AttentionAttributes>());
  return write_context(node, probabilities, part(node, Operand::kV));
}

}  // namespace tamis::onnx
