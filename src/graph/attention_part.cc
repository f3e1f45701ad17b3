#include "graph/attention_part.h"

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

}  // namespace tamis::graph
