// What each node computes in, and what type its output is kept in between two nodes.
//
// Is: the choice, made once for a plan on its own copy of the graph. Is not: graph rewriting; names
// and shapes stay. May use: graph.
#pragma once

#include "graph/graph.h"
#include "runtime/plan.h"

namespace tamis::runtime {

/// What the step of a MatMul or an Attention computes in.
enum class Arithmetic : uint8_t { kF32, kBf16, kS8 };

[[nodiscard]] Arithmetic arithmetic_of(const graph::Graph& graph, const graph::Node& node,
                                       const PlanOptions& options);

/// Names the arithmetic of every Attention.
void set_attention_arithmetic(graph::Graph& graph, graph::FloatArithmetic arithmetic);

/// Sets the dtype of an inner float value to F16 where an integer MatMul makes it and only integer
/// MatMuls read it (quantizing it), and to BF16 where the step that makes it can round and every
/// step that reads it takes bf16. Rows that are picked out keep the type of those they come from,
/// or a plan without the rows that nobody wants would round differently. Outputs, taps among them,
/// stay F32: a tap shows a value before the rounding.
void choose_storage(graph::Graph& graph, const PlanOptions& options);

}  // namespace tamis::runtime
