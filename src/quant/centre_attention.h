// Takes the mean of attention's keys and values out of it, where it costs nothing.
//
// Is: an exact rewrite of two biases. Is not: a pass (it needs text). May use: passes, engine.
#pragma once

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// Softmax does not see what is added to every key, and an average of values moves with them: the
/// mean key goes, and the mean value c comes back as W c in the bias of the linear layer behind.
/// What bf16 and integers round is then what differs between tokens. `graph` comes after passes;
/// an Attention without such biases of its own (shared weights) stays as it is. Means are over
/// `batch`, in float32.
void centre_attention(graph::Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool);

}  // namespace tamis::quant
