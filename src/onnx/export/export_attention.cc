// Attention, in its parts and fused, over heads of padded batches.
#include "graph/attention_part.h"
#include "onnx/export/export_ops.h"
#include "onnx/export/export_places.h"
#include "onnx/export/export_quantized.h"
#include "onnx/export/export_scores.h"

namespace tamis::onnx {

using graph::AttentionAttributes;
using graph::Node;
using graph::Operand;

namespace {

int64_t head_size(const ExportContext& c, const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  if (node.op == graph::OpKind::kAttentionContext) {
    return c.columns(node.operand(Operand::kV)) / fields.key_heads();
  }
  const bool whole = node.op == graph::OpKind::kAttention;
  return c.columns(whole ? node.output : node.operand(Operand::kQ)) / fields.heads;
}

// [batch, tokens, heads, size] with its axes in the order of `perm`.
std::string split_heads(ExportContext& c, const Node& node, const std::string& x, int64_t heads,
                        std::vector<int64_t> perm) {
  const std::string split =
      c.add(node.scope, "Reshape", {x, c.out().list({0, 0, heads, head_size(c, node)})});
  return c.add(node.scope, "Transpose", {split}, {list_attribute("perm", std::move(perm))});
}

// Heads of keys or values once for each of the queries' heads that share them.
std::string copies_of(ExportContext& c, const Node& node, const std::string& x) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const int64_t copies = fields.heads / fields.key_heads();
  if (copies == 1) return x;
  const std::string& s = node.scope;
  const std::string apart = c.add(s, "Unsqueeze", {x, c.out().list({2})});
  const std::string all = c.add(s, "Expand", {apart, c.out().list({1, 1, copies, 1, 1})});
  return c.add(s, "Reshape", {all, c.out().list({0, fields.heads, -1, head_size(c, node)})});
}

// Keys of every head of queries, [batch, heads, size, tokens].
std::string keys_of(ExportContext& c, const Node& node, const std::string& k) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const int64_t heads = fields.key_heads();
  if (heads == fields.heads) return split_heads(c, node, k, heads, {0, 2, 3, 1});
  const std::string copies = copies_of(c, node, split_heads(c, node, k, heads, {0, 2, 1, 3}));
  return c.add(node.scope, "Transpose", {copies}, {list_attribute("perm", {0, 1, 3, 2})});
}

std::string scores_of(ExportContext& c, const Node& node, const std::string& q,
                      const std::string& k) {
  const auto& fields = node.attribute<AttentionAttributes>();
  const std::string& s = node.scope;
  const auto split = [&](Operand operand, const std::string& x) {
    return through_integers(c, node, operand, split_heads(c, node, x, fields.heads, {0, 2, 1, 3}));
  };
  HeadRows rows;
  rows.queries = split(Operand::kQ, q);
  const std::string keys = through_integers(c, node, Operand::kK, keys_of(c, node, k));
  std::string scores = c.add(s, "MatMul", {rows.queries, keys});
  if (node.has(Operand::kPositionKeys) || node.has(Operand::kPositionQueries)) {
    if (node.has(Operand::kPositionQueries)) rows.keys = split(Operand::kK, k);
    scores = c.add(s, "Add", {scores, position_scores(c, node, rows)});
  }
  if (fields.scale != 1) scores = c.add(s, "Mul", {scores, c.number(fields.scale)});
  return node.has(Operand::kBias) ? c.add(s, "Add", {scores, score_bias(c, node)}) : scores;
}

// `attention`: the node that says which keys a query sees.
std::string masked_softmax(ExportContext& c, std::string_view scope, const std::string& scores,
                           const Node& attention) {
  return c.add(scope, "Softmax", {c.add(scope, "Add", {scores, attention_mask(c, attention)})},
               {integer_attribute("axis", -1)});
}

std::string context_of(ExportContext& c, const Node& node, const std::string& probabilities,
                       const std::string& v) {
  const int64_t heads = node.attribute<AttentionAttributes>().key_heads();
  const std::string values = through_integers(
      c, node, Operand::kV, copies_of(c, node, split_heads(c, node, v, heads, {0, 2, 1, 3})));
  const std::string weights = through_integers(c, node, Operand::kProbabilities, probabilities);
  const std::string context = c.add(node.scope, "MatMul", {weights, values});
  const std::string tokens =
      c.add(node.scope, "Transpose", {context}, {list_attribute("perm", {0, 2, 1, 3})});
  return c.add(node.scope, "Reshape", {tokens, c.out().list({0, 0, c.columns(node.output)})});
}

// Queries, keys or values, which may lie in one value beside others.
std::string part_of(ExportContext& c, const Node& attention, Operand operand) {
  const graph::AttentionPart found = attention_part(c.graph(), attention, operand);
  if (found.columns == c.columns(found.value)) return c.value(found.value);
  const std::string* made = c.part(found.value, found.first_column);
  if (made == nullptr) c.refuse(attention, "columns that no linear layer of their own makes");
  return *made;
}

}  // namespace

std::string write_scores(ExportContext& c, const Node& node) {
  return scores_of(c, node, c.value(node.operand(Operand::kQ)), c.value(node.operand(Operand::kK)));
}

std::string write_softmax(ExportContext& c, const Node& node) {
  const Node* scores = c.maker(node.operand(Operand::kScores));
  // A factor may stand between.
  while (scores->op == graph::OpKind::kMul) scores = c.maker(scores->operand(Operand::kX));
  return masked_softmax(c, node.scope, operand_of(c, node, Operand::kScores), *scores);
}

std::string write_context(ExportContext& c, const Node& node) {
  return context_of(c, node, c.value(node.operand(Operand::kProbabilities)),
                    c.value(node.operand(Operand::kV)));
}

std::string write_attention(ExportContext& c, const Node& node) {
  const std::string scores =
      scores_of(c, node, part_of(c, node, Operand::kQ), part_of(c, node, Operand::kK));
  const std::string probabilities = masked_softmax(c, node.scope, scores, node);
  return context_of(c, node, probabilities, part_of(c, node, Operand::kV));
}

}  // namespace tamis::onnx
