// Takes the mean of attention's keys and values out of it, where it costs nothing.
//
// Is: an exact rewrite of two biases. Is not: a pass (it needs text). May use: passes, engine.
#pragma once

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// The nodes around an Attention: the MatMul that makes its queries, keys and values, and the one
/// that alone reads what it gives.
struct AttentionLayers {
  int projection = -1;
  int output = -1;
};

/// Of the Attention at that index in nodes(); both -1 where weights or biases are shared or absent,
/// or something else reads what lies between.
[[nodiscard]] AttentionLayers attention_layers(const graph::Graph& graph, int index);

/// Softmax does not see what is added to every key, and an average of values moves with them: the
/// mean key goes, and the mean value c comes back as W c in the bias of the linear layer behind.
/// What bf16 and integers round is then what differs between tokens. `graph` comes after passes;
/// an Attention without such biases of its own (shared weights) stays as it is. Means are over
/// `batch`, in float32.
void centre_attention(graph::Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool);

}  // namespace tamis::quant
