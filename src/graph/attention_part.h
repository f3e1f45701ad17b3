// Where q, k and v of a fused Attention are, however many of them come in one value.
#pragma once

#include "graph/graph.h"

namespace tamis::graph {

/// Columns [first_column, first_column + columns) of a value.
struct AttentionPart {
  ValueId value = kNoValue;
  int64_t first_column = 0;
  int64_t columns = 0;
};

/// Of an Attention's operand q, k or v.
[[nodiscard]] AttentionPart attention_part(const Graph& graph, const Node& attention,
                                           Operand operand);

}  // namespace tamis::graph
