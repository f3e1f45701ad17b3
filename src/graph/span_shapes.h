// The shape rules of the ops that find entities over given labels.
//
// Is: private to infer_shapes. May use: shape_rule.
#pragma once

#include "graph/shape_rule.h"

namespace tamis::graph {

/// Of an Lstm or a ScoreSpans.
[[nodiscard]] SymbolicShape infer_words(const Rule& rule, const Node& node);

}  // namespace tamis::graph
