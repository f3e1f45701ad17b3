// The layer at which the arithmetic of a graph overflows.
//
// Is: for the message of an error, on the input that failed. Is not: a check of weights, which are
// refused when they are read. May use: partial_run.
#pragma once

#include <string>

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// The module path of the first node with rows of tokens whose result holds NaN or infinity, in
/// fp32 whatever the marks say; empty if all are finite.
[[nodiscard]] std::string first_not_finite(graph::Graph graph, const engine::PackedBatch& batch,
                                           ThreadPool& pool);

}  // namespace tamis::quant
