// The plain INT8 plan: weights rounded to nearest, nothing calibrated.
//
// Is: what `--precision int8` makes of a checkpoint on the fly, and the baseline of the treatments.
// Is not: accurate where activations have outliers. May use: graph.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "quant/treat_linear.h"

namespace tamis::quant {

/// The MatMul and ExpertMatMul nodes (indices in nodes()) that marks make integer: input and all
/// weight marks on, a constant float weight. Others with a mark on stay float; the engine leaves
/// them so.
[[nodiscard]] std::vector<size_t> quantizable_linears(const graph::Graph& graph);

/// Puts what treat_linear() or treat_experts() gave on nodes that share one weight. The weight's
/// constant and the bias's take the new values under their names where nothing else reads them.
void apply_treatment(graph::Graph& graph, const std::vector<size_t>& nodes,
                     const TreatedLinear& treated);

/// Rounds the weights of quantizable_linears() per output row. For the per-token schemes; marks
/// with a static scheme keep their ranges, which must be there when the graph is run.
void make_plain_plan(graph::Graph& graph);

}  // namespace tamis::quant
