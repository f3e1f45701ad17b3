// What feeds an attention: where q, k and v of a fused one are, however many of them come in one
// value, and which values lead to one.
#pragma once

#include "graph/graph.h"

namespace tamis::graph {

/// The products of an attention, fused or on their own.
[[nodiscard]] constexpr bool is_attention(OpKind op) {
  return op == OpKind::kAttention || op == OpKind::kAttentionScores ||
         op == OpKind::kAttentionContext;
}

/// Columns [first_column, first_column + columns) of a value.
struct AttentionPart {
  ValueId value = kNoValue;
  int64_t first_column = 0;
  int64_t columns = 0;
};

/// Of an Attention's operand q, k or v.
[[nodiscard]] AttentionPart attention_part(const Graph& graph, const Node& attention,
                                           Operand operand);

/// The Attention or AttentionScores that says what the scores of an attention's part are: the node
/// itself, or what an AttentionContext's softmax reads. Null for a context of other probabilities.
[[nodiscard]] const Node* scores_node(const Graph& graph, const Node& attention);

/// Whether the scores of an attention's part have products with tables of positions too.
[[nodiscard]] bool has_position_products(const Graph& graph, const Node& attention);

/// Whether an attention, or a part of one, reads the value, at once or behind a bias, a turn or a
/// norm of its heads.
[[nodiscard]] bool feeds_attention(const Graph& graph, ValueId value);

}  // namespace tamis::graph
