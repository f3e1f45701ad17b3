#include "passes/pipeline.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::passes {
namespace {

graph::Graph linear_with_bias() {
  graph::Graph graph;
  const auto zeros = [](const Shape& shape) {
    return std::make_shared<Tensor>(DType::kF32, shape);
  };
  const auto ids =
      graph.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const auto x =
      graph.add_node(graph::OpKind::kGather, {graph.add_constant("table", zeros({4, 8})), ids},
                     graph::NoAttributes{}, "embeddings");
  const auto y =
      graph.add_node(graph::OpKind::kMatMul, {x, graph.add_constant("weight", zeros({8, 8}))},
                     graph::MatMulAttributes{}, "dense");
  graph.add_output("logits",
                   graph.add_node(graph::OpKind::kAdd, {y, graph.add_constant("bias", zeros({8}))},
                                  graph::NoAttributes{}, "dense"));
  return graph;
}

size_t passes_of(Stage stage) {
  size_t count = 0;
  for (const Pass& pass : all_passes()) count += pass.stage == stage ? 1 : 0;
  return count;
}

TEST(Pipeline, RunsSelectOutputsAloneWhenAModelIsLoaded) {
  graph::Graph graph = linear_with_bias();
  const std::vector<PassReport> reports = run_pipeline(graph, {}, Stage::kLoad);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].name, "select_outputs");
  EXPECT_FALSE(reports[0].changed);
}

TEST(Pipeline, ReportsEveryPassInOrder) {
  graph::Graph graph = linear_with_bias();
  const std::vector<PassReport> reports = run_pipeline(graph);
  ASSERT_EQ(reports.size(), passes_of(Stage::kOptimize));
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_EQ(reports[i].name, all_passes()[i].name);
    EXPECT_EQ(reports[i].changed, reports[i].name == "fuse_bias") << reports[i].name;
    EXPECT_GE(reports[i].milliseconds, 0);
  }
  EXPECT_EQ(graph.nodes().size(), 2u);
}

TEST(Pipeline, SkipsWhatItIsTold) {
  graph::Graph graph = linear_with_bias();
  const std::vector<std::string> skip = {"fuse_bias"};
  EXPECT_EQ(run_pipeline(graph, skip).size(), passes_of(Stage::kOptimize) - 1);
  EXPECT_EQ(graph.nodes().size(), 3u);
  const std::vector<std::string> wrong = {"fuse_everything"};
  try {
    run_pipeline(graph, wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("known are fold_constants"), std::string::npos);
  }
}

TEST(Pipeline, AnyPassCanBeLeftOut) {
  for (const Pass& pass : all_passes()) {
    SCOPED_TRACE(std::string(pass.name));
    graph::Graph graph = linear_with_bias();
    const std::vector<std::string> skip = {std::string(pass.name)};
    const std::vector<PassReport> reports = run_pipeline(graph, skip, pass.stage);
    EXPECT_EQ(reports.size(), passes_of(pass.stage) - 1);
    for (const PassReport& report : reports) EXPECT_NE(report.name, pass.name);
  }
}

}  // namespace
}  // namespace tamis::passes
