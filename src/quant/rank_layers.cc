// What each layer adds to the loss, with the layers before it run once.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "quant/search.h"
#include "quant/token_rows.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

namespace {

/// The fully quantized model over the batch, as far as a set's first layer.
class Ranking {
 public:
  Ranking(const RankingInput& input, const ScoreOutput& score)
      : input_(input),
        score_(score),
        options_(options_of(input)),
        run_(input.quantized, input.batch, input.pool, options_) {
    for (const graph::GraphOutput& output : input.quantized.outputs()) {
      if (output.name == input.output) target_ = input.quantized.value(output.value).name;
    }
    if (target_.empty()) {
      fail(ErrorCode::kNotFound, "quantization: the graph has no output \"", input.output, "\"");
    }
  }

  [[nodiscard]] size_t first_node(const LayerSet& set) const {
    size_t first = input_.quantized.nodes().size();
    for (const std::string& output : set.outputs) {
      const int index = input_.quantized.producer(input_.quantized.find_value(output));
      if (index >= 0) first = std::min(first, static_cast<size_t>(index));
    }
    return first;
  }

  // The score of the graph with nothing in float.
  [[nodiscard]] double full() const { return score_of(input_.quantized, {}); }

  // Sets must come in the order of their first nodes.
  [[nodiscard]] double without(const LayerSet& set) {
    const std::vector<std::string> known = values_at(first_node(set));
    return score_of(unquantize(input_.quantized, input_.source, set.outputs), known);
  }

 private:
  static engine::EngineOptions options_of(const RankingInput& input) {
    engine::EngineOptions options;
    options.simulate = input.simulate;
    options.isas = input.isas;
    return options;
  }

  // Names of the values [T, n] that nodes from `next` on read of those before it; computed.
  std::vector<std::string> values_at(size_t next) {
    const Graph& graph = input_.quantized;
    std::vector<std::string> names;
    for (size_t i = 0; i < next; ++i) {
      const ValueId id = graph.nodes()[i].output;
      const std::vector<int> readers = graph.consumers(id);
      if (readers.empty() || static_cast<size_t>(readers.back()) < next) continue;
      // A partial run starts from float rows by token; whatever else there is, it computes again.
      if (is_token_rows(graph.value(id))) names.push_back(graph.value(id).name);
    }
    for (const std::string& name : names) run_.get(name);
    run_.keep_for(next);
    return names;
  }

  [[nodiscard]] double score_of(const Graph& graph, const std::vector<std::string>& known) const {
    const std::vector<float> rows = run_.run_other(graph, target_, known);
    const graph::Value& value = input_.quantized.value(input_.quantized.find_value(target_));
    const int64_t width = value.shape[1].size;
    const auto count = static_cast<int64_t>(rows.size()) / std::max<int64_t>(1, width);
    const double score = score_(TensorView(DType::kF32, Shape{count, width},
                                           reinterpret_cast<const std::byte*>(rows.data())));
    return std::isnan(score) ? std::numeric_limits<double>::infinity() : score;
  }

  const RankingInput& input_;
  const ScoreOutput& score_;
  engine::EngineOptions options_;
  PartialRun run_;
  std::string target_;
};

}  // namespace

std::vector<double> rank_layers(const RankingInput& input, std::span<const LayerSet> sets,
                                const ScoreOutput& score,
                                const std::function<bool(double)>& progress) {
  Ranking ranking(input, score);
  std::vector<size_t> order(sets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return ranking.first_node(sets[a]) < ranking.first_node(sets[b]);
  });
  const double full = ranking.full();
  std::vector<double> gains(sets.size(), 0.0);
  for (size_t i = 0; i < order.size(); ++i) {
    if (progress && !progress(static_cast<double>(i) / static_cast<double>(order.size()))) {
      fail(ErrorCode::kCancelled, "quantization: cancelled");
    }
    const double gain = full - ranking.without(sets[order[i]]);
    gains[order[i]] = std::isnan(gain) ? 0 : gain;
  }
  return gains;
}

}  // namespace tamis::quant
