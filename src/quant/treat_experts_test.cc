// Experts made integer: by the rows of their tokens, in a graph with its marks, and back.
#include "quant/treat_experts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "graph/mark_switches.h"
#include "quant/cost.h"
#include "quant/marks.h"
#include "quant/plain_plan.h"
#include "quant/quantize.h"
#include "quant/search.h"
#include "quant/test_util.h"

namespace tamis::quant {
namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;

/// 400 tokens of the first two of three experts, weights [6, 8] each.
struct Layer {
  static constexpr size_t kTokens = 400;

  Layer() : weight(normals(3 * 6 * 8, 1)), x(normals(kTokens * 8, 2)) {
    for (size_t i = 0; i < kTokens; ++i) routes.insert(routes.end(), {1.0f, i % 4 == 0 ? 1.0f : 0});
  }
  [[nodiscard]] ExpertsInput input() const {
    ExpertsInput made;
    made.experts = 3;
    made.top_k = 1;
    made.rows = 6;
    made.columns = 8;
    made.weight = weight;
    made.float_routes = made.routes = routes;
    made.float_input = made.input = x;
    return made;
  }
  std::vector<float> weight;
  std::vector<float> x;
  std::vector<float> routes;
};

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

TEST(TreatExperts, RoundsEachByItsRows) {
  const Layer layer;
  const TreatedLinear treated = treat_experts(layer.input(), {}, pool());
  EXPECT_EQ(treated.weight.rows, 18);
  EXPECT_EQ(treated.weight.q.size(), layer.weight.size());
  EXPECT_TRUE(treated.bias.empty() && treated.multiplier.empty());
  EXPECT_TRUE(treated.outlier_columns.empty());
  EXPECT_GT(treated.energy, 0);
  EXPECT_LE(treated.error, treated.plain_error);
  EXPECT_LT(treated.error, 1e-3 * treated.energy);
  // The expert without tokens has nothing to go by.
  const std::span<const float> last = std::span(layer.weight).last(6 * 8);
  const IntegerWeight nearest = round_to_nearest(last, 6);
  EXPECT_TRUE(std::equal(nearest.q.begin(), nearest.q.end(), treated.weight.q.end() - 6 * 8));
  EXPECT_TRUE(
      std::equal(nearest.scale.begin(), nearest.scale.end(), treated.weight.scale.end() - 6));
}

// Tokens that quantized layers send elsewhere are left out of both.
TEST(TreatExperts, LeavesOutTokensThatChangedTheirExpert) {
  const Layer layer;
  std::vector<float> elsewhere = layer.routes;
  for (size_t i = 0; i < elsewhere.size(); i += 2) elsewhere[i + 1] = 2;
  ExpertsInput input = layer.input();
  input.routes = elsewhere;
  const TreatedLinear treated = treat_experts(input, {}, pool());
  EXPECT_EQ(treated.weight.q, round_to_nearest(layer.weight, 18).q);
  EXPECT_EQ(treated.energy, 0);
}

TEST(TreatExperts, KeepsATrainedGrid) {
  const Layer layer;
  const std::vector<float> amax(18, 8.0f);
  ExpertsInput input = layer.input();
  input.row_amax = amax;
  const TreatedLinear treated = treat_experts(input, {false, false, false, false, false}, pool());
  for (const float scale : treated.weight.scale) EXPECT_FLOAT_EQ(scale, 8.0f / 127);
}

// An attention, and the experts between it and the sum behind it.
graph::Graph experts_graph() {
  graph::Graph graph = graph_of(R"(tamis graph 2
input %input_ids : I32[T]
constant %words : F32[20, 8]
constant %gamma : F32[8]
constant %router : F32[3, 8]
constant %w1 : F32[36, 8]
constant %w2 : F32[24, 12]
%x = Gather(table=%words, ids=%input_ids) @m.words : F32[T, 8]
%c = Attention(q=%x, k=%x, v=%x) {heads=2, scale=1} @m.layers.0.attn : F32[T, 8]
%n = SkipLayerNormalization(x=%c, skip=%x, gamma=%gamma) {epsilon=1e-05} @m.layers.0.n : F32[T, 8]
%r = RouteTokens(x=%n, weight=%router) {top_k=2} @m.layers.0.mlp.router : F32[T, 4]
%a = ExpertMatMul(x=%n, weight=%w1, routes=%r) {experts=3, activation=gelu} @m.layers.0.mlp.w1 : F32[T, 24]
%b = ExpertMatMul(x=%a, weight=%w2, routes=%r) {experts=3, activation=none} @m.layers.0.mlp.w2 : F32[T, 16]
%s = CombineExperts(x=%b, routes=%r) @m.layers.0.mlp : F32[T, 8]
%t = Add(x=%s, y=%n) @m.layers.0 : F32[T, 8]
%y = LayerNormalization(x=%t, gamma=%gamma) {epsilon=1e-05} @m.layers.0.norm : F32[T, 8]
output token_embeddings = %y
)");
  return graph;
}

struct Texts {
  Texts() {
    std::mt19937 engine(3);
    for (int i = 0; i < 120; ++i) ids.push_back(static_cast<int32_t>(engine() % 20));
  }
  [[nodiscard]] engine::PackedBatch batch() const { return {ids, {}, {}, cu_seqlens, {}, 40}; }
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens = {0, 40, 80, 120};
};

int64_t integers_in(const graph::Graph& graph) {
  int64_t count = 0;
  for (const Node& node : graph.nodes()) {
    if (node.op != OpKind::kExpertMatMul || !graph::has_integer_weight(node)) continue;
    EXPECT_EQ(graph.value(node.operand(Operand::kWeight)).dtype, DType::kI8);
    ++count;
  }
  return count;
}

TEST(QuantizedExperts, AreMarkedCalibratedAndGoBack) {
  graph::Graph graph = experts_graph();
  add_marks(graph);
  for (const Node& node : graph.nodes()) {
    EXPECT_TRUE(node.op != OpKind::kRouteTokens || node.quantizers.empty());
    if (node.op != OpKind::kExpertMatMul) continue;
    EXPECT_TRUE(node.enabled_mark(Operand::kX) && node.enabled_mark(Operand::kWeight));
  }
  const Texts texts;
  const std::vector<engine::PackedBatch> batches = {texts.batch()};
  const Quantized quantized = quantize(graph, batches, {}, pool());
  EXPECT_EQ(integers_in(quantized.graph), 2);
  ASSERT_EQ(quantized.report.linears.size(), 2u);
  EXPECT_EQ(quantized.report.linears[0].names[0], "m.layers.0.mlp.w1._input_quantizer");
  for (const LinearReport& linear : quantized.report.linears) EXPECT_LT(linear.error, 0.01);

  const auto price = [](const graph::Graph& of, const Node& node) { return row_work(of, node); };
  const std::vector<LayerSet> layers = integer_layers(quantized.graph, graph, price);
  ASSERT_EQ(layers.size(), 2u);
  const graph::Graph half = unquantize(quantized.graph, graph, layers[0].outputs);
  EXPECT_EQ(integers_in(half), 1);
  EXPECT_LT(float_work(half), 1);
  EXPECT_EQ(integers_in(unquantize(half, graph, layers[1].outputs)), 0);

  make_plain_plan(graph);
  EXPECT_EQ(integers_in(graph), 2);
}

TEST(QuantizedExperts, HaveARangeInStaticSchemes) {
  graph::Graph graph = experts_graph();
  add_marks(graph, Scheme::kStatic);
  const Texts texts;
  const std::vector<engine::PackedBatch> batches = {texts.batch()};
  const Quantized quantized = quantize(graph, batches, {}, pool());
  EXPECT_EQ(integers_in(quantized.graph), 2);
  for (const Node& node : quantized.graph.nodes()) {
    if (node.op != OpKind::kExpertMatMul) continue;
    EXPECT_GT(node.mark(Operand::kX)->high.value_or(0), 0);
  }
}

// A row's two products of [12, 8].
TEST(QuantizedExperts, CostWhatIsRun) {
  const graph::Graph graph = experts_graph();
  CostModel model;
  for (const Node& node : graph.nodes()) {
    if (graph.value(node.output).name != "a") continue;
    EXPECT_EQ(row_work(graph, node), 2 * 12 * 8);
    EXPECT_EQ(matmul_ns(graph, node, model),
              2 * table_ns(*model.table, CostOp::kGemmF32, 12, 8, model.isas));
  }
}

}  // namespace
}  // namespace tamis::quant
