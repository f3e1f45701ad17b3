// A marked graph as float arithmetic: what its integers would give, on the fp32 engine.
//
// Is: a rewrite of an engine's own copy of the graph, with FakeQuantize nodes where marks are on.
// Is not: the integer engine, or a pass over models. May use: graph, kernels.
#pragma once

#include <memory>

#include "graph/graph.h"

namespace tamis::engines::simulate {

/// Puts a FakeQuantize before every operand whose mark is on, and float weights that have been
/// through integers in place of marked ones: a F32 weight is rounded per row, an I8 weight is
/// multiplied out, with its outlier columns back in their places. A mark on an Attention's
/// probabilities is left to that node's step and stays on; all others are off. Throws
/// Error{kInvalidArgument} naming a static mark that has no range.
void simulate_marks(graph::Graph& graph);

/// The float weight [n, k] that a quantized MatMul multiplies by: weight_scale[i] * weight[i, j],
/// and outlier_weight in the outlier columns.
[[nodiscard]] std::shared_ptr<const Tensor> multiplied_out_weight(const graph::Graph& graph,
                                                                  const graph::Node& matmul);

/// The weight [n, k] rounded per row as kPerChannelS8 has it, in float.
[[nodiscard]] std::shared_ptr<const Tensor> rounded_weight(const Tensor& weight);

}  // namespace tamis::engines::simulate
