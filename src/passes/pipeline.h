// Graph to graph rewrites and the order they run in.
//
// Is: what makes the graph of a model fast, whatever the target. Is not: packing or kernel choice
// (runtime's Plan). May use: runtime.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tamis::passes {

/// One rewrite. run() returns whether it changed the graph; quantizer marks move along.
struct Pass {
  std::string_view name;
  bool (*run)(graph::Graph& graph);
};

/// All passes in pipeline order.
[[nodiscard]] std::span<const Pass> all_passes();

/// The pass of that name, nullptr if there is none.
[[nodiscard]] const Pass* find_pass(std::string_view name);

struct PassReport {
  std::string_view name;
  bool changed = false;
  double milliseconds = 0;
};

/// Runs the pipeline, verifying the graph after each pass that changed it. Names in `skip` are left
/// out; an unknown one is Error{kInvalidArgument} listing the known. A pass that breaks the graph
/// is Error{kInternal} naming the pass.
std::vector<PassReport> run_pipeline(graph::Graph& graph, std::span<const std::string> skip = {});

}  // namespace tamis::passes
