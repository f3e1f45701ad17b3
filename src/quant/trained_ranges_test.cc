// Ranges of a checkpoint on marks, and weights on the grid that they give.
#include "quant/trained_ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "passes/pipeline.h"
#include "quant/test_util.h"

namespace tamis::quant {
namespace {

using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::TrainedRanges;

// Ranges of every quantizer of the layer, as a checkpoint of the whole model names them.
TrainedRanges all_ranges(const Graph& marked) {
  TrainedRanges ranges;
  ranges.prefix = "m";
  ranges.source = "folder";
  for (const Node& node : marked.nodes()) {
    for (const graph::Quantizer& mark : node.quantizers) {
      const bool weight = mark.operand == Operand::kWeight;
      const auto rows =
          weight ? static_cast<size_t>(marked.value(node.operand(Operand::kWeight)).shape[0].size)
                 : 1;
      ranges.amax[mark.names[0]] = std::vector<float>(rows, weight ? 0.5f : 2.0f);
    }
  }
  return ranges;
}

Graph marked_layer(Scheme scheme) {
  Graph graph = graph_of(bert_layer_text());
  add_marks(graph, scheme);
  return graph;
}

std::set<std::string> names_on(const Graph& graph) {
  std::set<std::string> on;
  for (const QuantizerInfo& info : list_quantizers(graph)) {
    if (info.enabled) on.insert(info.name);
  }
  return on;
}

const Node& node_at(const Graph& graph, std::string_view scope) {
  for (const Node& node : graph.nodes()) {
    if (node.scope == scope && graph::is_matmul(node)) return node;
  }
  throw std::runtime_error("no node " + std::string(scope));
}

void run_passes(Graph& graph) {
  const std::vector<std::string> skipped = {"fold_attention_scale"};
  (void)passes::run_pipeline(graph, skipped);
}

TEST(ApplyRanges, StaticTurnsOnEverythingThatHasOne) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges = all_ranges(graph);
  ranges.amax["m.0.output.layernorm_quantizer_1"] = {std::nanf("")};
  ranges.amax.erase("classifier._input_quantizer");
  apply_ranges(graph, ranges, Scheme::kStatic);
  const std::set<std::string> on = names_on(graph);
  EXPECT_EQ(on.size(), list_quantizers(graph).size() - 2);
  EXPECT_FALSE(on.contains("m.0.output.layernorm_quantizer_1"));
  EXPECT_FALSE(on.contains("classifier._input_quantizer"));
  const graph::Quantizer& mark = *node_at(graph, "m.0.ffn").mark(Operand::kX);
  EXPECT_EQ(mark.high, 2.0f);
  EXPECT_EQ(mark.low, -2.0f);
}

TEST(ApplyRanges, NativeKeepsTheEncodersLinearsAndFindsRangesItself) {
  Graph graph = marked_layer(Scheme::kNative);
  const std::set<std::string> by_default = names_on(graph);
  TrainedRanges ranges = all_ranges(graph);
  ranges.amax["m.0.ffn._input_quantizer"] = {std::nanf("")};
  apply_ranges(graph, ranges, Scheme::kNative);
  std::set<std::string> expected = by_default;
  expected.erase("m.0.ffn._input_quantizer");
  EXPECT_EQ(names_on(graph), expected);
  EXPECT_FALSE(node_at(graph, "m.0.ffn_output").mark(Operand::kX)->high);
}

TEST(ApplyRanges, TakesNamesOfTheEncoderAlone) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges;
  ranges.prefix = "m";
  ranges.amax["0.ffn._input_quantizer"] = {3.0f};
  apply_ranges(graph, ranges, Scheme::kStatic);
  EXPECT_EQ(names_on(graph), std::set<std::string>{"m.0.ffn._input_quantizer"});
}

TEST(ApplyRanges, RefusesWhatTheModelDoesNotHave) {
  struct Row {
    const char* name;
    std::vector<float> amax;
    Scheme scheme;
    const char* message;
  };
  const Row rows[] = {
      {"m.0.ffn._inptu_quantizer",
       {1},
       Scheme::kStatic,
       "folder: there is a range of \"m.0.ffn._inptu_quantizer\", but the model has no such "
       "quantizer; near names are m.0.ffn._input_quantizer, "},
      {"m.0.ffn._weight_quantizer",
       {1, 2},
       Scheme::kNative,
       "folder: \"m.0.ffn._weight_quantizer\" has 2 ranges; expected 16"},
      {"m.0.ffn._input_quantizer",
       {1, 2},
       Scheme::kStatic,
       "folder: \"m.0.ffn._input_quantizer\" has 2 ranges; expected 1"},
      {"m.0.ffn._input_quantizer",
       {1},
       Scheme::kOrt,
       "--scheme ort: folder has ranges of symmetric quantizers; accepted are static, "},
  };
  for (const Row& row : rows) {
    Graph graph = marked_layer(row.scheme);
    TrainedRanges ranges;
    ranges.prefix = "m";
    ranges.source = "folder";
    ranges.amax[row.name] = row.amax;
    try {
      apply_ranges(graph, ranges, row.scheme);
      FAIL() << row.message;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(row.message)) << error.what();
    }
  }
}

TEST(ApplyRanges, PassesOverLayersThatAreNotRead) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges;
  ranges.prefix = "m";
  ranges.amax["lm_head.dense._input_quantizer"] = {1};
  ranges.of_unread_layers = {"lm_head.dense._input_quantizer"};
  apply_ranges(graph, ranges, Scheme::kStatic);
  EXPECT_TRUE(names_on(graph).empty());
}

TEST(RoundToRows, UsesTheRangesThatAreGiven) {
  const std::vector<float> weight = {0.5f, -0.25f, 0.126f, 2.0f, -2.0f, 1.0f, 1.0f, 1.0f, 0.0f};
  const std::vector<float> amax = {1.27f, 1.27f, 0.0f};
  const IntegerWeight rounded = round_to_rows(weight, amax);
  EXPECT_EQ(rounded.rows, 3);
  EXPECT_EQ(rounded.columns, 3);
  EXPECT_EQ(rounded.q, (std::vector<int8_t>{50, -25, 13, 127, -127, 100, 0, 0, 0}));
  EXPECT_FLOAT_EQ(rounded.scale[0], 0.01f);
  EXPECT_EQ(rounded.scale[2], 0.0f);
}

TEST(MakeTrainedPlan, PutsMergedWeightsOnEachPartsGrid) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges = all_ranges(graph);
  ranges.amax["m.0.self.key._weight_quantizer"] = std::vector<float>(8, 0.75f);
  apply_ranges(graph, ranges, Scheme::kStatic);
  run_passes(graph);
  make_trained_plan(graph, ranges);
  graph::verify(graph);
  const Node& qkv = node_at(graph, "m.0.self");
  ASSERT_EQ(qkv.op, graph::OpKind::kQuantizedMatMul);
  const auto scale = graph.value(qkv.operand(Operand::kWeightScale)).constant->as<float>();
  ASSERT_EQ(scale.size(), 24u);
  EXPECT_EQ(scale[0], 0.5f / 127);
  EXPECT_EQ(scale[8], 0.75f / 127);
  EXPECT_EQ(scale[16], 0.5f / 127);
}

TEST(RoundLoneWeights, RoundsThoseWhoseInputIsFloat) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges = all_ranges(graph);
  ranges.amax["m.0.ffn._input_quantizer"] = {std::nanf("")};
  apply_ranges(graph, ranges, Scheme::kStatic);
  run_passes(graph);
  round_lone_weights(graph, ranges);
  const Node& node = node_at(graph, "m.0.ffn");
  EXPECT_EQ(node.op, graph::OpKind::kMatMul);
  EXPECT_EQ(node.enabled_mark(Operand::kWeight), nullptr);
  const float step = 0.5f / 127;
  for (const float value : graph.value(node.operand(Operand::kWeight)).constant->as<float>()) {
    EXPECT_EQ(value, step * std::round(value / step));
    EXPECT_LE(std::abs(value), 0.5f);
  }
  ASSERT_NE(node_at(graph, "m.0.ffn_output").enabled_mark(Operand::kWeight), nullptr);
}

TEST(RoundLoneWeights, NeedsARangeOfAMarkThatIsOn) {
  Graph graph = marked_layer(Scheme::kStatic);
  TrainedRanges ranges;
  ranges.prefix = "m";
  ranges.source = "folder";
  ranges.amax["m.0.ffn._input_quantizer"] = {std::nanf("")};
  apply_ranges(graph, ranges, Scheme::kStatic);
  apply_globs(graph, std::vector<std::string>{"*ffn._weight_quantizer"}, {});
  try {
    round_lone_weights(graph, ranges);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "the quantizer \"m.0.ffn._weight_quantizer\" is on, but folder has no range of it; "
              "switch it off");
  }
}

}  // namespace
}  // namespace tamis::quant
