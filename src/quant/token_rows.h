// Values that are float rows of a batch's tokens, node by node.
//
// Is: which they are, and a walk over them. Is not: what is looked for in them. May use:
// partial_run.
#pragma once

#include <functional>
#include <span>

#include "graph/graph.h"
#include "quant/partial_run.h"

namespace tamis::quant {

/// True of F32 [T, n]: what a partial run can start from.
[[nodiscard]] bool is_token_rows(const graph::Value& value);

/// True ends the walk.
using LookAtRows = std::function<bool(const graph::Node& node, std::span<const float> rows)>;

/// The first node of those that make token rows, in the order of the graph, at which `look` says
/// true; null if it never does. `run` is over `graph`; while `look` runs it has the node's inputs.
[[nodiscard]] const graph::Node* find_token_rows(const graph::Graph& graph, PartialRun& run,
                                                 const LookAtRows& look);

}  // namespace tamis::quant
