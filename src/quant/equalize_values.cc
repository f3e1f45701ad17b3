#include "quant/equalize_values.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/mark_switches.h"
#include "quant/centre_attention.h"
#include "quant/channel_scale.h"
#include "quant/moments.h"
#include "quant/partial_run.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::Node;
using graph::Operand;

namespace {

// As treat_linear() widens ranges.
constexpr double kSigmas = 5;

// What each column of the context is multiplied by.
std::vector<float> multipliers(std::span<const float> context, const graph::Value& weight,
                               ThreadPool& pool) {
  const int64_t columns = weight.shape[1].size;
  const auto k = static_cast<size_t>(columns);
  ColumnMoments moments(columns);
  moments.add(context);
  const std::vector<double> mean = moments.mean();
  const std::vector<double> variance = moments.variance();
  std::vector<float> low(k);
  std::vector<float> high(k);
  for (size_t j = 0; j < k; ++j) {
    const auto reach = static_cast<float>(kSigmas * std::sqrt(variance[j]));
    low[j] = static_cast<float>(mean[j]) - reach;
    high[j] = static_cast<float>(mean[j]) + reach;
  }
  for (size_t at = 0; at < context.size(); ++at) {
    low[at % k] = std::min(low[at % k], context[at]);
    high[at % k] = std::max(high[at % k], context[at]);
  }
  LinearProblem problem;
  problem.rows = weight.shape[0].size;
  problem.columns = columns;
  const auto floats = widened(weight.constant);
  problem.weight = floats->as<float>();
  problem.mean = mean;
  problem.variance = variance;
  problem.is_static = true;
  problem.low = low;
  problem.high = high;
  std::vector<float> found = optimized_scale(problem, pool).multiplier;
  double logs = 0;
  for (const float m : found) logs += std::log(double{m}) / static_cast<double>(k);
  for (float& m : found) m = static_cast<float>(m * std::exp(-logs));
  return found;
}

template <typename Change>
void change_constant(Graph& graph, const Node& node, Operand operand, const Change& change) {
  graph::Value& value = graph.value(node.operand(operand));
  Tensor tensor = Tensor::from(value.constant->shape(), widened(value.constant)->as<float>());
  change(tensor.mutable_as<float>());
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
  value.dtype = DType::kF32;
}

void apply(Graph& graph, const AttentionLayers& layers, const std::vector<float>& m) {
  const size_t k = m.size();
  const Node projection = graph.nodes()[static_cast<size_t>(layers.projection)];
  const Node output = graph.nodes()[static_cast<size_t>(layers.output)];
  change_constant(graph, projection, Operand::kBias, [&](std::span<float> bias) {
    for (size_t j = 0; j < k; ++j) bias[2 * k + j] *= m[j];
  });
  change_constant(graph, projection, Operand::kWeight, [&](std::span<float> weight) {
    const size_t inputs = weight.size() / (3 * k);
    for (size_t at = 0; at < k * inputs; ++at) weight[2 * k * inputs + at] *= m[at / inputs];
  });
  change_constant(graph, output, Operand::kWeight, [&](std::span<float> weight) {
    for (size_t at = 0; at < weight.size(); ++at) weight[at] /= m[at % k];
  });
}

}  // namespace

void equalize_values(Graph& graph, const engine::PackedBatch& batch, ThreadPool& pool) {
  const Graph plain = graph::without_marks(graph);
  PartialRun run(plain, batch, pool);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const AttentionLayers layers = attention_layers(graph, static_cast<int>(i));
    if (layers.output < 0) continue;
    const Node& output = graph.nodes()[static_cast<size_t>(layers.output)];
    const graph::Value& weight = graph.value(output.operand(Operand::kWeight));
    const auto context = run.get(graph.value(graph.nodes()[i].output).name);
    apply(graph, layers, multipliers(context, weight, pool));
    run.keep_for(i + 1);
  }
}

}  // namespace tamis::quant
