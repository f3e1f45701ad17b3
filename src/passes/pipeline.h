// Graph to graph rewrites and the order they run in.
//
// Is: what makes the graph of a model fast, whatever the target. Is not: packing or kernel choice
// (engines/). May use: graph, kernels/reference.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tamis::passes {

/// When a pass runs.
enum class Stage : uint8_t {
  kOptimize,  ///< once for a model; what it makes is what a bundle holds
  kLoad,      ///< for each plan, as it depends on the outputs that are wanted of it
};

/// One rewrite. run() returns whether it changed the graph; quantizer marks move along.
struct Pass {
  std::string_view name;
  Stage stage;
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

/// Runs the passes of a stage, verifying the graph after each that changed it. Names in `skip` are
/// left out; an unknown one is Error{kInvalidArgument} listing the known. A pass that breaks the
/// graph is Error{kInternal} naming the pass.
std::vector<PassReport> run_pipeline(graph::Graph& graph, std::span<const std::string> skip = {},
                                     Stage stage = Stage::kOptimize);

}  // namespace tamis::passes
