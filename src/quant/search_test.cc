#include "quant/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/engine.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "quant/plain_plan.h"
#include "quant/test_util.h"

namespace tamis::quant {
namespace {

graph::Graph source_graph() {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  passes::run_pipeline(graph);
  return graph;
}

graph::Graph source_without_marks(graph::Graph graph) {
  for (graph::Node& node : graph.nodes()) node.quantizers.clear();
  return graph;
}

// A loss that the test knows: so much for each layer that is in integers.
double known_loss(const graph::Graph& graph) {
  double loss = 0;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kQuantizedMatMul) continue;
    if (node.scope == "m.0.self") loss += 0.5;
    if (node.scope == "m.0.output.dense") loss += 0.01;
    if (node.scope == "m.0.ffn") loss += 0.2;
    if (node.scope == "m.0.ffn_output") loss += 0.05;
  }
  return loss;
}

// Multiplications of a MatMul: nothing as integers.
double operations(const graph::Graph& graph, const graph::Node& node) {
  const graph::Value& weight = graph.value(node.operand(graph::Operand::kWeight));
  if (weight.dtype == DType::kI8) return 0;
  return static_cast<double>(weight.shape[0].size * weight.shape[1].size);
}

/// A search with the gains of known_loss().
SearchResult search(const graph::Graph& source, double limit, const MeasureLoss& measure,
                    bool explore = false) {
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const std::vector<LayerSet> layers = integer_layers(quantized, source, operations);
  std::vector<double> gains;
  for (const LayerSet& layer : layers) {
    gains.push_back(known_loss(quantized) -
                    known_loss(unquantize(quantized, source, layer.outputs)));
  }
  return search_within({quantized, source, limit, layers, gains, explore}, measure);
}

TEST(Search, KeepsEverythingIntegerWhereTheBudgetHolds) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const SearchResult result = search(source, 0.8, known_loss);
  EXPECT_TRUE(result.met);
  EXPECT_EQ(result.chosen, 0u);
  EXPECT_EQ(result.points.size(), 1u);
  EXPECT_EQ(graph::print(result.graph), graph::print(quantized));
}

TEST(Search, KnowsItsLayersByWeightLayerAndKind) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const std::vector<LayerSet> layers = integer_layers(quantized, source, operations);
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0].name, "m.0.self.query._input_quantizer");
  EXPECT_EQ(layers[0].names.size(), 3u);
  EXPECT_EQ(layers[0].price, 3 * 64);
  EXPECT_EQ(layers[1].price, 64);
  const std::vector<LayerSet> by_layer = sets_by_layer(layers);
  ASSERT_EQ(by_layer.size(), 1u);
  EXPECT_EQ(by_layer[0].name, "m.0");
  EXPECT_EQ(by_layer[0].outputs.size(), 4u);
  EXPECT_EQ(by_layer[0].price, 3 * 64 + 64 + 2 * 128);
  std::vector<std::string> kinds;
  for (const LayerSet& set : sets_by_kind(layers)) kinds.push_back(set.name);
  EXPECT_EQ(kinds, (std::vector<std::string>{"self", "output.dense", "ffn", "ffn_output"}));
}

TEST(Search, UnquantizesWhatGivesMostForItsPrice) {
  const graph::Graph source = source_graph();
  const SearchResult result = search(source, 0.3, known_loss);
  EXPECT_TRUE(result.met);
  // Q, K and V: 0.5 of 192 multiplications, ahead of 0.2 of 128.
  EXPECT_NEAR(result.points[result.chosen].loss, 0.26, 1e-12);
  EXPECT_EQ(result.points[result.chosen].price, 192);
  EXPECT_EQ(result.points[result.chosen].in_float.size(), 3u);
  for (const QuantizerInfo& info : list_quantizers(result.graph)) {
    const bool self = info.name.starts_with("m.0.self.") && info.name.ends_with("t_quantizer");
    if (!self && !info.name.starts_with("m.0.ffn.")) continue;
    EXPECT_EQ(info.enabled, !self) << info.name;
  }
}

// 0.25 needs Q, K, V and ffn by the order; ffn alone goes too far, Q, K, V alone not far enough.
TEST(Search, TakesBackWhatWasNotNeeded) {
  const graph::Graph source = source_graph();
  // The order by gain: Q, K, V first. A measure that only ffn lowers makes them needless.
  const MeasureLoss only_ffn = [](const graph::Graph& graph) {
    const graph::ValueId weight = graph.find_value("wide");
    return graph.value(weight).dtype == DType::kI8 ? 1.0 : 0.0;
  };
  const SearchResult result = search(source, 0.5, only_ffn);
  EXPECT_TRUE(result.met);
  EXPECT_EQ(result.points[result.chosen].in_float,
            (std::vector<std::string>{"m.0.ffn._input_quantizer"}));
}

TEST(Search, MeasuresFurtherPlansForTheFront) {
  const graph::Graph source = source_graph();
  const SearchResult result = search(source, 0.8, known_loss, true);
  EXPECT_EQ(result.chosen, 0u);
  ASSERT_EQ(result.points.size(), 3u);
  EXPECT_EQ(result.points[1].in_float.size(), 3u);
  EXPECT_EQ(result.points[2].in_float.size(), 4u);
  EXPECT_LT(result.points[2].loss, result.points[1].loss);
}

TEST(Search, SaysWhenNothingMeetsTheBudget) {
  const SearchResult result =
      search(source_graph(), 0.1, [](const graph::Graph&) { return std::nan(""); });
  EXPECT_FALSE(result.met);
  EXPECT_TRUE(quantizable_linears(result.graph).empty()) << "all marks are off";
}

/// Three sequences of the test graph's ids.
struct Batch {
  std::vector<int32_t> ids = {1, 5, 7, 2, 9, 11, 3, 4, 19, 0, 8, 6};
  std::vector<int32_t> cu_seqlens = {0, 4, 9, 12};
  [[nodiscard]] engine::PackedBatch packed() const { return {ids, {}, {}, cu_seqlens, {}, 5}; }
};

// The same gains whether the layers before a set are taken from what was kept or run again.
TEST(RankLayers, GivesWhatRunningEachPlanWholeGives) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const Batch batch;
  ThreadPool pool(2);
  const auto logits = [&](const graph::Graph& graph) {
    engine::EngineOptions options;
    options.outputs = {"logits"};
    options.pool = engine::borrow(pool);
    const auto session = engine::make_engine(graph, options)->make_session();
    engine::Outputs outputs;
    session->run(batch.packed(), outputs);
    const auto rows = outputs.get("logits").as<float>();
    return std::vector<float>(rows.begin(), rows.end());
  };
  const std::vector<float> truth = logits(source_without_marks(source));
  const auto distance = [&](std::span<const float> rows) {
    double sum = 0;
    for (size_t i = 0; i < rows.size(); ++i) sum += std::abs(rows[i] - truth[i]);
    return sum;
  };
  std::vector<LayerSet> sets = integer_layers(quantized, source, operations);
  const std::vector<LayerSet> kinds = sets_by_kind(sets);
  sets.insert(sets.begin(), kinds.rbegin(), kinds.rend());
  const RankingInput input{quantized,       source, batch.packed(), "logits", false,
                           detected_isas(), pool};
  const std::vector<double> gains =
      rank_layers(input, sets, [&](const TensorView& rows) { return distance(rows.as<float>()); });
  ASSERT_EQ(gains.size(), 8u);
  const double full = distance(logits(quantized));
  EXPECT_GT(full, 0);
  for (size_t i = 0; i < sets.size(); ++i) {
    const graph::Graph variant = unquantize(quantized, source, sets[i].outputs);
    EXPECT_DOUBLE_EQ(gains[i], full - distance(logits(variant))) << sets[i].name;
  }
  EXPECT_THROW(
      (void)rank_layers(
          input, sets, [](const TensorView&) { return 0.0; }, [](double) { return false; }),
      Error);
}

TEST(LayerSets, KindsOfAttentionsAreNotThoseOfTheirLinearLayers) {
  std::vector<LayerSet> layers;
  for (const char* name : {"bert.encoder.layer.0.attention.self.query._input_quantizer",
                           "bert.encoder.layer.0.attention.self.matmul_quantizer_0",
                           "bert.encoder.layer.1.attention.self.query._input_quantizer",
                           "bert.encoder.layer.1.attention.self.matmul_quantizer_2",
                           "bert.encoder.layer.1.output.dense._input_quantizer"}) {
    layers.push_back({name, {name}, {name}, 1});
  }
  const std::vector<LayerSet> kinds = sets_by_kind(layers);
  ASSERT_EQ(kinds.size(), 3U);
  EXPECT_EQ(kinds[0].name, "attention.self");
  EXPECT_EQ(kinds[1].name, "attention.self.matmul");
  EXPECT_EQ(kinds[1].price, 2);
  EXPECT_EQ(kinds[2].name, "output.dense");
  EXPECT_EQ(sets_by_layer(layers).size(), 2U);
}

// A plan that overflows is the worst there is, not one that nobody can compare.
TEST(RankLayers, TakesAScoreThatIsNotANumberAsInfinite) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const Batch batch;
  ThreadPool pool(2);
  const std::vector<LayerSet> sets = integer_layers(quantized, source, operations);
  const RankingInput input{quantized,       source, batch.packed(), "logits", false,
                           detected_isas(), pool};
  int scores = 0;
  const std::vector<double> gains = rank_layers(input, sets, [&](const TensorView&) {
    return ++scores == 3 ? 1.0 : std::numeric_limits<double>::quiet_NaN();
  });
  EXPECT_EQ(std::ranges::count(gains, 0.0), static_cast<std::ptrdiff_t>(gains.size()) - 1);
  EXPECT_EQ(std::ranges::count(gains, std::numeric_limits<double>::infinity()), 1);
}

TEST(Unquantize, GivesTheFloatLayerBack) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  std::vector<std::string> all;
  for (const graph::Node& node : quantized.nodes()) {
    if (node.op == graph::OpKind::kQuantizedMatMul)
      all.push_back(quantized.value(node.output).name);
  }
  EXPECT_EQ(all.size(), 4u);
  const graph::Graph back = unquantize(quantized, source, all);
  graph::Graph off = source;
  apply_globs(off, {}, std::vector<std::string>{"*"});
  for (const graph::Node& node : back.nodes()) {
    if (node.op != graph::OpKind::kMatMul) continue;
    const graph::Value& weight = back.value(node.operand(graph::Operand::kWeight));
    EXPECT_EQ(weight.constant, source.value(source.find_value(weight.name)).constant);
  }
  EXPECT_THROW((void)unquantize(quantized, back, {"y"}), Error);
}

}  // namespace
}  // namespace tamis::quant
