// What each node computes in, and what type its output is kept in between two nodes.
//
// Is: the choice, made once for a plan. Is not: graph rewriting; the graph stays one that verify()
// takes. May use: graph.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tamis::engines::cpu {

/// What the step of a MatMul or an Attention computes in.
enum class Arithmetic : uint8_t { kF32, kBf16, kS8 };

/// `linear` is that of linear layers where no marks are on.
[[nodiscard]] Arithmetic arithmetic_of(const graph::Graph& graph, const graph::Node& node,
                                       graph::FloatArithmetic linear);

/// By value id, the dtype that each value is kept in: the graph's own, but F16 for an inner float
/// value that an integer MatMul makes and only integer MatMuls read (quantizing it), and BF16 where
/// the step that makes it can round and every step that reads it takes bf16. Rows that are picked
/// out keep the type of those they come from, or a plan without the unwanted rows would round
/// differently. Outputs, taps among them, stay F32: a tap shows a value before the rounding.
[[nodiscard]] std::vector<DType> choose_storage(const graph::Graph& graph,
                                                graph::FloatArithmetic linear);

}  // namespace tamis::engines::cpu
