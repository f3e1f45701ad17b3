// Makes the columns of attention's values alike, where it costs nothing.
//
// Is: an exact rewrite of two weights. Is not: a pass (it needs text). May use: passes, engine.
#pragma once

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// An average of values moves with each of their columns: column j of the values is multiplied by
/// m_j, and the weight behind divided by it, so that one static range fits all columns. m is
/// optimized_scale() of the layer behind, its geometric mean 1. `graph` comes after passes; where
/// weights are shared it stays as it is.
void equalize_values(graph::Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool);

}  // namespace tamis::quant
