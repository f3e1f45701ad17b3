#include "graph/attention_part.h"

#include <algorithm>

namespace tamis::graph {

AttentionPart attention_part(const Graph& graph, const Node& attention, Operand operand) {
  const auto& fields = attention.attribute<AttentionAttributes>();
  const int64_t queries = graph.value(attention.output).shape[1].size;
  const int64_t keys = queries / fields.heads * fields.key_heads();
  const AttentionPart q = {attention.operand(Operand::kQ), 0, queries};
  if (operand == Operand::kQ) return q;
  // What is not there lies behind the operand before it.
  AttentionPart k = {attention.operand(Operand::kK), 0, keys};
  if (k.value == kNoValue) k = {q.value, queries, keys};
  if (operand == Operand::kK) return k;
  const ValueId v = attention.operand(Operand::kV);
  if (v != kNoValue) return {v, 0, keys};
  return {k.value, k.first_column + keys, keys};
}

const Node* scores_node(const Graph& graph, const Node& attention) {
  const Node* node = &attention;
  while (node->op != OpKind::kAttention && node->op != OpKind::kAttentionScores) {
    const int producer = node->inputs.empty() ? -1 : graph.producer(node->inputs[0]);
    if (producer < 0) return nullptr;
    node = &graph.nodes()[static_cast<size_t>(producer)];
  }
  return node;
}

bool has_position_products(const Graph& graph, const Node& attention) {
  const Node* scores = scores_node(graph, attention);
  return scores != nullptr &&
         (scores->has(Operand::kPositionKeys) || scores->has(Operand::kPositionQueries));
}

bool feeds_attention(const Graph& graph, ValueId value) {
  const std::vector<int> readers = graph.consumers(value);
  return std::any_of(readers.begin(), readers.end(), [&](int reader) {
    const Node& node = graph.nodes()[static_cast<size_t>(reader)];
    if (is_attention(node.op)) return true;
    const bool bias = node.op == OpKind::kAdd && graph.is_constant(node.operand(Operand::kY));
    const bool passes_on =
        bias || node.op == OpKind::kRotary || node.op == OpKind::kRMSNormalization;
    return passes_on && feeds_attention(graph, node.output);
  });
}

}  // namespace tamis::graph
