// Which linear layers stay in float so that a budget holds, and what each of them costs.
//
// Is: sensitivity from the fully quantized model (so that interaction is seen), a greedy knapsack
// on loss against operations, re-measured and repaired. Is not: a definition of loss (the caller
// measures it on held-out texts) or a clock: prices are operations. May use: graph.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tamis::quant {

/// The loss of a graph: what the budget limits (a share of flips, KL, 1 - cosine). NaN counts as
/// over any limit.
using MeasureLoss = std::function<double(const graph::Graph& graph)>;

/// The layers that share one weight, and what un-quantizing them would give.
struct Sensitivity {
  std::vector<std::string> outputs;  ///< names of the MatMuls' output values
  std::vector<std::string> names;    ///< of their inputs' quantizers
  double gain = 0;   ///< loss of the fully quantized model minus that with these in float
  double price = 0;  ///< share of all linear layers' multiplications
};

/// One measured plan.
struct PlanPoint {
  std::vector<std::string> in_float;  ///< quantizer names that are off
  double price = 0;                   ///< share of the multiplications that are in float
  double loss = 0;
};

struct SearchResult {
  graph::Graph graph;
  bool met = false;  ///< the loss of `graph` is within the limit
  double loss = 0;
  std::vector<Sensitivity> sensitivities;  ///< empty if the budget was met at once
  std::vector<PlanPoint> front;  ///< every plan that was measured and that none beats in both
};

/// Puts the float weights of `source` back under these MatMuls (by the names of their outputs) and
/// switches their marks off. `quantized` came from quantize(source, ...).
[[nodiscard]] graph::Graph unquantize(const graph::Graph& quantized, const graph::Graph& source,
                                      const std::vector<std::string>& outputs);

/// What each integer layer of `quantized` adds to the loss, largest first.
[[nodiscard]] std::vector<Sensitivity> measure_sensitivities(const graph::Graph& quantized,
                                                             const graph::Graph& source,
                                                             const MeasureLoss& measure);

/// The plan with the least in float whose loss is at most `limit`; all in float if none is, and
/// then `met` is whether that is.
[[nodiscard]] SearchResult search_within(const graph::Graph& quantized, const graph::Graph& source,
                                         double limit, const MeasureLoss& measure);

}  // namespace tamis::quant
