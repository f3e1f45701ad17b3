#include "graph/graph.h"

namespace tamis::passes {

// Drops what no output needs.
bool remove_dead_values(graph::Graph& graph) { return graph.remove_dead(); }

}  // namespace tamis::passes
