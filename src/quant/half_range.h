// Whether a graph's values fit half precision.
//
// Is: a look at every row of tokens between nodes, over texts. Is not: a proof for other texts, or
// for what a fused node computes inside. May use: partial_run.
#pragma once

#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// A value that half precision has no number for.
struct HalfOverflow {
  std::string scope;  ///< the module path of the node that makes it, or sums it
  float value = 0;
};

/// The first one, in the order of the graph; marks that are on are simulated.
[[nodiscard]] std::optional<HalfOverflow> find_half_overflow(const graph::Graph& graph,
                                                             const engine::PackedBatch& batch,
                                                             ThreadPool& pool);

}  // namespace tamis::quant
