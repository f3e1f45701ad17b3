// The shape rules of the ops of a mixture of experts.
//
// Is: private to this module's rules (infer_shapes.cc). May use: graph.
#pragma once

#include "graph/shape_rule.h"

namespace tamis::graph {

/// What a RouteTokens, an ExpertMatMul or a CombineExperts gives; refuses what does not fit.
[[nodiscard]] SymbolicShape infer_experts(const Rule& rule, const Node& node);

}  // namespace tamis::graph
