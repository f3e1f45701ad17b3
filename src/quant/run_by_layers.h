// A float graph over one batch, a layer's weights at a time.
//
// Is: the reference of a model whose float weights are never packed all together. Is not: fast over
// many batches: every call packs every weight once. May use: engine, partial_run.
#pragma once

#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"

namespace tamis::quant {

/// The rows of an output. Marks do not count, and attention computes in fp32. Linear layers pack a
/// panel of their weight at a time (EngineOptions::once). Memory: what else is packed between two
/// places where a single value carries the model on (a LayerNormalization), and the activations.
[[nodiscard]] std::vector<float> run_by_layers(graph::Graph graph, const std::string& output,
                                               const engine::PackedBatch& batch, ThreadPool& pool,
                                               IsaSet isas);

}  // namespace tamis::quant
