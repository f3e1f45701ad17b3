#include "quant/search.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
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

// A loss that the test knows: so much for each layer that is in integers.
double known_loss(const graph::Graph& graph) {
  double loss = 0;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kMatMul) continue;
    if (graph.value(node.inputs[1]).dtype != DType::kI8) continue;
    if (node.scope == "m.0.self") loss += 0.5;
    if (node.scope == "m.0.output.dense") loss += 0.01;
    if (node.scope == "m.0.ffn") loss += 0.2;
    if (node.scope == "m.0.ffn_output") loss += 0.05;
  }
  return loss;
}

TEST(Search, KeepsEverythingIntegerWhereTheBudgetHolds) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const SearchResult result = search_within(quantized, source, 0.8, known_loss);
  EXPECT_TRUE(result.met);
  EXPECT_TRUE(result.sensitivities.empty());
  EXPECT_EQ(result.front.size(), 1u);
  EXPECT_EQ(graph::print(result.graph), graph::print(quantized));
}

TEST(Search, UnquantizesWhatGivesMostForItsPrice) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const SearchResult result = search_within(quantized, source, 0.3, known_loss);
  EXPECT_TRUE(result.met);
  EXPECT_NEAR(result.loss, 0.26, 1e-12);
  ASSERT_EQ(result.sensitivities.size(), 4u);
  EXPECT_NEAR(result.sensitivities[0].gain, 0.5, 1e-12);
  EXPECT_EQ(result.sensitivities[0].names[0], "m.0.self.query._input_quantizer");
  // 3 * 64 of 3 * 64 + 64 + 2 * 128 + 64 + 24 multiplications.
  EXPECT_NEAR(result.sensitivities[0].price, 192.0 / 600, 1e-12);
  for (const QuantizerInfo& info : list_quantizers(result.graph)) {
    const bool self = info.name.starts_with("m.0.self.") && info.name.ends_with("t_quantizer");
    if (!self && !info.name.starts_with("m.0.ffn.")) continue;
    EXPECT_EQ(info.enabled, !self) << info.name;
  }
  for (size_t i = 1; i < result.front.size(); ++i) {
    EXPECT_LT(result.front[i].loss, result.front[i - 1].loss);
    EXPECT_GT(result.front[i].price, result.front[i - 1].price);
  }
}

TEST(Search, SaysWhenNothingMeetsTheBudget) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  const SearchResult result =
      search_within(quantized, source, 0.1, [](const graph::Graph&) { return std::nan(""); });
  EXPECT_FALSE(result.met);
  EXPECT_TRUE(quantizable_linears(result.graph).empty()) << "all marks are off";
}

TEST(Unquantize, GivesTheFloatLayerBack) {
  const graph::Graph source = source_graph();
  graph::Graph quantized = source;
  make_plain_plan(quantized);
  std::vector<std::string> all;
  for (const graph::Node& node : quantized.nodes()) {
    const bool integer = node.op == graph::OpKind::kMatMul && node.input(4) != graph::kNoValue;
    if (integer) all.push_back(quantized.value(node.output).name);
  }
  EXPECT_EQ(all.size(), 4u);
  const graph::Graph back = unquantize(quantized, source, all);
  graph::Graph off = source;
  apply_globs(off, {}, std::vector<std::string>{"*"});
  for (const graph::Node& node : back.nodes()) {
    if (node.op != graph::OpKind::kMatMul) continue;
    const graph::Value& weight = back.value(node.inputs[1]);
    EXPECT_EQ(weight.constant, source.value(source.find_value(weight.name)).constant);
  }
  EXPECT_THROW((void)unquantize(quantized, back, {"y"}), Error);
}

}  // namespace
}  // namespace tamis::quant
