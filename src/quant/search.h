// Which linear layers stay in float so that a budget holds, and what each of them costs.
//
// Is: sensitivity from the fully quantized model (so that interaction is seen), a knapsack of what
// un-quantizing gives against its price, re-measured and repaired. Is not: a definition of loss
// (the caller measures it on held-out texts), of prices (cost.h has some) or a clock. May use:
// graph.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

namespace tamis::quant {

/// What a MatMul or Attention costs as it stands in its graph, integer or float, in any unit.
using PriceOf = std::function<double(const graph::Graph& graph, const graph::Node& matmul)>;

/// Layers that go to float together: those that share one weight, or a caller's choice.
struct LayerSet {
  std::string name;                  ///< the first quantizer's, or the caller's
  std::vector<std::string> outputs;  ///< names of the MatMuls' output values
  std::vector<std::string> names;    ///< of their inputs' quantizers
  double price = 0;                  ///< of float, more than of integers
};

/// What the search may put in float: a linear layer in integers, or an Attention of which an
/// operand is rounded to them.
[[nodiscard]] bool is_in_integers(const graph::Node& node);

/// The layers that are in integers, those that share a weight together, in the order of the graph.
[[nodiscard]] std::vector<LayerSet> integer_layers(const graph::Graph& quantized,
                                                   const graph::Graph& source,
                                                   const PriceOf& price);

/// Each encoder layer's ("layer.3") sets as one, and each kind's over all layers: the module path
/// behind the layer's number, "attention.self" and "output.dense" of linear layers, and with
/// ".matmul" behind it of attentions.
[[nodiscard]] std::vector<LayerSet> sets_by_layer(std::span<const LayerSet> layers);
[[nodiscard]] std::vector<LayerSet> sets_by_kind(std::span<const LayerSet> layers);

/// Puts the float weights of `source` back under these MatMuls (by the names of their outputs) and
/// switches their marks off, and those of these Attentions. `quantized` came from quantize(source,
/// ...).
[[nodiscard]] graph::Graph unquantize(const graph::Graph& quantized, const graph::Graph& source,
                                      const std::vector<std::string>& outputs);

/// How layers are ranked: on one batch, by the output it gives.
struct RankingInput {
  const graph::Graph& quantized;
  const graph::Graph& source;
  engine::PackedBatch batch;
  std::string output;  ///< of the graph: "logits"
  bool simulate = false;
  IsaSet isas = detected_isas();
  ThreadPool& pool;
};

/// The loss of an output.
using ScoreOutput = std::function<double(const TensorView& rows)>;

/// For each set, the score without it less that of the fully quantized model, negated: what putting
/// it in float gives. A score of NaN counts as infinite; two infinite ones give nothing. Layers
/// before the first of a set are run once, not once a set. `progress` gets the share done and may
/// end the work with false (kCancelled).
[[nodiscard]] std::vector<double> rank_layers(const RankingInput& input,
                                              std::span<const LayerSet> sets,
                                              const ScoreOutput& score,
                                              const std::function<bool(double)>& progress = {});

/// The loss of a graph in the budget's metric. NaN counts as over any limit.
using MeasureLoss = std::function<double(const graph::Graph& graph)>;

/// One measured plan.
struct PlanPoint {
  std::vector<std::string> in_float;  ///< quantizer names that are off
  double price = 0;                   ///< more than of the fully quantized model
  double loss = 0;
};

struct SearchResult {
  graph::Graph graph;
  bool met = false;  ///< the loss of `graph` is within the limit
  size_t chosen = 0;
  std::vector<PlanPoint> points;  ///< every plan, in the order in which they were measured
};

struct SearchProblem {
  const graph::Graph& quantized;
  const graph::Graph& source;
  double limit = 0;
  std::span<const LayerSet> layers;
  std::span<const double> gains;  ///< of rank_layers()
  /// Plans of 1, 2, 4... of the best layers in float are measured too, for the front.
  bool explore = false;
};

/// The cheapest plan found whose loss is at most the limit: layers go to float by gain for their
/// price, as few of them as the measured loss needs, and those that were not needed go back. All in
/// float if no plan meets it, and then `met` is whether that does. The first point is the fully
/// quantized model.
[[nodiscard]] SearchResult search_within(const SearchProblem& problem, const MeasureLoss& measure);

}  // namespace tamis::quant
