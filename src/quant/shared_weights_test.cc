// Layers that share a weight, and what a report says of a graph's layers.
#include <gtest/gtest.h>

#include "quant/quantize.h"
#include "quant/run_test_util.h"

namespace tamis::quant {
namespace {

// The layer of test_util.h, whose values and output projection share a weight, each with a bias of
// its own: in front of the one is a norm, of the other an attention.
graph::Graph shared_graph(Scheme scheme) {
  std::string text = bert_layer_text();
  const std::string own = "MatMul(%x, %v)";
  text.replace(text.find(own), own.size(), "MatMul(%x, %o)");
  graph::Graph graph = graph_of(text);
  add_marks(graph, scheme);
  passes::find_pass("fuse_bias")->run(graph);
  return graph;
}

TEST(Quantize, LayersThatShareAWeightKeepTheirOwnBiases) {
  const Texts texts(60);
  const engine::PackedBatch batches[] = {texts.batch()};
  ThreadPool pool(2);
  for (const Scheme scheme : {Scheme::kNative, Scheme::kStatic}) {
    const graph::Graph graph = shared_graph(scheme);
    const Quantized made = quantize(graph, batches, {}, pool);
    EXPECT_EQ(made.report.linears.size(), 5U);
    EXPECT_LT(relative_error(logits(made.graph, texts, true), float_logits(graph, texts)), 0.05);
  }
}

// What is in front of the first could take up the scale of its columns, but not what is in front of
// the second: TensorRT's layers have no place for it there.
TEST(Quantize, AWeightIsScaledOnlyIfAllItsInputsCanTakeTheInverse) {
  const Texts texts(60);
  const engine::PackedBatch batches[] = {texts.batch()};
  ThreadPool pool(2);
  QuantizeOptions options;
  options.tensorrt = true;
  const Quantized made = quantize(shared_graph(Scheme::kStatic), batches, options, pool);
  int shared = 0;
  int scaled = 0;
  for (const graph::Node& node : made.graph.nodes()) {
    if (node.op != graph::OpKind::kQuantizedMatMul) continue;
    const bool has_scale = node.has(graph::Operand::kInputMultiplier);
    scaled += has_scale ? 1 : 0;
    if (node.scope != "m.0.self.value" && node.scope != "m.0.output.dense") continue;
    ++shared;
    EXPECT_FALSE(has_scale) << node.scope;
  }
  EXPECT_EQ(shared, 2);
  EXPECT_GT(scaled, 0) << "others are";
}

TEST(Quantize, ReportsOfTheLayersThatAreInIntegersAlone) {
  const Texts texts(20);
  const engine::PackedBatch batches[] = {texts.batch()};
  ThreadPool pool(2);
  Quantized made = quantize(marked(Scheme::kNative), batches, {}, pool);
  ASSERT_EQ(made.report.linears.size(), 4U);
  apply_globs(made.graph, {}, std::vector<std::string>{"*.ffn*"});
  keep_written(made.report, made.graph);
  ASSERT_EQ(made.report.linears.size(), 2U);
  const double plain = made.report.linears[0].plain_error;
  EXPECT_TRUE(made.report.linears[0].activation_error);
  keep_rounding_alone(made.report);
  EXPECT_EQ(made.report.linears[0].error, plain);
  EXPECT_FALSE(made.report.linears[0].activation_error);
  EXPECT_FALSE(made.report.linears[0].scaled || made.report.linears[0].gptq);
}

}  // namespace
}  // namespace tamis::quant
