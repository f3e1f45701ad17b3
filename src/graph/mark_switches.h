// What marks ask for, and switching them all.
#pragma once

#include "graph/graph.h"

namespace tamis::graph {

/// Whether a scheme's operand has one range, which is there before the model runs.
[[nodiscard]] constexpr bool is_static(QuantScheme scheme) {
  return scheme == QuantScheme::kStaticS8 || scheme == QuantScheme::kStaticU8;
}

/// Switches the node's marks off.
inline void switch_marks_off(Node& node) {
  for (Quantizer& mark : node.quantizers) mark.enabled = false;
}

/// The graph with all its marks there, but off.
[[nodiscard]] inline Graph without_marks(Graph graph) {
  for (Node& node : graph.nodes()) switch_marks_off(node);
  return graph;
}

}  // namespace tamis::graph
