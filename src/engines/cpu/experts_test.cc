// A mixture of experts in every arithmetic: against plain loops, in any batch and on any threads,
// and with routes as no router gives them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engines/cpu/session.h"
#include "engines/cpu/storage.h"
#include "engines/cpu/test_encoder.h"
#include "graph/testing/text_constants.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {
namespace {

using graph::Operand;
using graph::OpKind;

constexpr int64_t kWidth = 24;
constexpr int64_t kInner = 13;  // odd, and a multiple of no panel
constexpr int64_t kExperts = 5;
constexpr int64_t kTopK = 2;

const std::string kHead = R"(tamis graph 2
input %input_ids : I32[T]
)";
const std::string kProducts = R"(constant %table : F32[64, 24]
constant %w1 : F32[65, 24]
constant %w2 : F32[120, 13]
%x = Gather(table=%table, ids=%input_ids) : F32[T, 24]
ROUTER%a = ExpertMatMul(x=%x, weight=%w1, routes=%r) {experts=5, activation=gelu} : F32[T, 26]
%b = ExpertMatMul(x=%a, weight=%w2, routes=%r) {experts=5, activation=none} : F32[T, 48]
%y = CombineExperts(x=%b, routes=%r) : F32[T, 24]
output token_embeddings = %y
)";

graph::Graph parsed(const std::string& head, const std::string& router) {
  std::string text = head + kProducts;
  text.replace(text.find("ROUTER"), 6, router);
  graph::testing::TextConstants constants(text);
  return graph::parse_graph(text, "test", graph::testing::TextConstants::find, &constants);
}

graph::Graph routed() {
  return parsed(kHead + "constant %router : F32[5, 24]\n",
                "%r = RouteTokens(x=%x, weight=%router) {top_k=2} : F32[T, 4]\n");
}

// Of routes that the batch brings.
graph::Graph given_routes() { return parsed(kHead + "input %r : F32[T, 4]\n", ""); }

enum class Kind { kF32, kBf16, kS8 };
constexpr Kind kKinds[] = {Kind::kF32, Kind::kBf16, Kind::kS8};

FloatArithmetic linear_of(Kind kind) {
  return kind == Kind::kBf16 ? FloatArithmetic::kBf16 : FloatArithmetic::kF32;
}

graph::Graph marked(graph::Graph graph, Kind kind) {
  for (graph::Node& node : graph.nodes()) {
    if (kind != Kind::kS8 || node.op != OpKind::kExpertMatMul) continue;
    for (const Operand operand : {Operand::kX, Operand::kWeight}) {
      graph::Quantizer mark;
      mark.names = {cat(graph.value(node.output).name, graph::operand_name(operand))};
      mark.operand = operand;
      mark.scheme = operand == Operand::kX ? graph::QuantScheme::kPerTokenU8
                                           : graph::QuantScheme::kPerChannelS8;
      mark.enabled = true;
      node.quantizers.push_back(mark);
    }
  }
  return graph;
}

std::span<const float> constant(const graph::Graph& graph, std::string_view name) {
  return graph.value(graph.find_value(name)).constant->as<float>();
}

std::vector<float> route_plainly(const graph::Graph& graph, const std::vector<float>& x) {
  const auto rows = static_cast<int64_t>(x.size()) / kWidth;
  std::vector<float> logits(static_cast<size_t>(rows * kExperts));
  kernels::reference::MatMulArgs router;
  router.m = rows;
  router.n = router.ldy = kExperts;
  router.k = router.ldx = router.ldw = kWidth;
  router.x = x.data();
  router.w = constant(graph, "router").data();
  router.y = logits.data();
  kernels::reference::matmul(router);
  std::vector<float> routes(static_cast<size_t>(rows * 2 * kTopK));
  kernels::reference::route_tokens({rows, kExperts, kTopK, logits.data(), routes.data()});
  return routes;
}

// Both products and their sum, by the reference loops.
std::vector<float> combine_plainly(const graph::Graph& graph, const std::vector<float>& x,
                                   const std::vector<float>& routes) {
  const auto rows = static_cast<int64_t>(x.size()) / kWidth;
  std::vector<float> inner(static_cast<size_t>(rows * kTopK * kInner));
  kernels::ExpertMatMulArgs args;
  args.rows = rows;
  args.n = kInner;
  args.k = kWidth;
  args.experts = kExperts;
  args.top_k = kTopK;
  args.x = x.data();
  args.w = constant(graph, "w1").data();
  args.routes = routes.data();
  args.activation = Activation::kGelu;
  args.y = inner.data();
  kernels::reference::expert_matmul(args);
  std::vector<float> outer(static_cast<size_t>(rows * kTopK * kWidth));
  args.n = kWidth;
  args.k = kInner;
  args.x_of_each = true;
  args.x = inner.data();
  args.w = constant(graph, "w2").data();
  args.activation = Activation::kNone;
  args.y = outer.data();
  kernels::reference::expert_matmul(args);
  std::vector<float> y(x.size());
  kernels::reference::combine_experts({rows, kWidth, kTopK, outer.data(), routes.data(), y.data()});
  return y;
}

std::vector<float> rows_of(const graph::Graph& graph, const TestBatch& batch) {
  std::vector<float> x;
  for (const int32_t id : batch.ids) {
    const auto row = constant(graph, "table").subspan(static_cast<size_t>(id * kWidth), kWidth);
    x.insert(x.end(), row.begin(), row.end());
  }
  return x;
}

double worst_of(const std::vector<float>& got, const std::vector<float>& want) {
  double worst = 0;
  EXPECT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::abs(double{got[i]} - want[i]));
  }
  return worst;
}

std::vector<PlanOptions> plan_options(Kind kind) {
  std::vector<PlanOptions> all;
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    PlanOptions options;
    options.isas = isas_up_to(isa_name(isa));
    options.linear = linear_of(kind);
    all.push_back(options);
  }
  return all;
}

// 900 tokens of 5 experts: more rows than are gathered at once.
TEST(Experts, EveryIsaAgreesWithPlainLoops) {
  const graph::Graph graph = routed();
  const TestBatch batch({5, 1, 900, 20});
  const std::vector<float> x = rows_of(graph, batch);
  const std::vector<float> want = combine_plainly(graph, x, route_plainly(graph, x));
  // Values of at most 0.5 in two sums of 24 and 13 terms, shares of at most 1: 3 and 2 at most.
  constexpr double kTolerance = 4 * (kWidth + kInner) * 0x1p-24 * 3;
  for (const PlanOptions& options : plan_options(Kind::kF32)) {
    EXPECT_LT(worst_of(run(graph, options, batch.packed(), 2), want), kTolerance);
  }
  // The products lose 2^-8 of each operand in bf16, and 1 / 255 of a row's range in integers.
  for (const Kind kind : {Kind::kBf16, Kind::kS8}) {
    for (const PlanOptions& options : plan_options(kind)) {
      const double worst = worst_of(run(marked(graph, kind), options, batch.packed(), 2), want);
      EXPECT_LT(worst, 0.03);
      EXPECT_GT(worst, 0);
    }
  }
}

TEST(Experts, AnyThreadCountAndBatchGivesTheSameBits) {
  const TestBatch batch({5, 1, 33, 600, 0, 20});
  for (const Kind kind : kKinds) {
    const graph::Graph graph = marked(routed(), kind);
    for (const PlanOptions& options : plan_options(kind)) {
      const std::vector<float> one = run(graph, options, batch.packed(), 1);
      EXPECT_EQ(run(graph, options, batch.packed(), 3), one);
      size_t at = 0;
      for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
        const std::vector<float> alone = run(graph, options, batch.only(s).packed(), 2);
        ASSERT_LE(at + alone.size(), one.size());
        // One of no tokens has no numbers, and no address.
        if (alone.empty()) continue;
        EXPECT_EQ(std::memcmp(alone.data(), one.data() + at, alone.size() * sizeof(float)), 0);
        at += alone.size();
      }
    }
  }
}

TEST(Experts, KeepFewBitsBetweenTheProducts) {
  const auto kept = [](Kind kind, std::string_view name) {
    const graph::Graph graph = marked(routed(), kind);
    return choose_storage(graph, linear_of(kind))[static_cast<size_t>(graph.find_value(name))];
  };
  EXPECT_EQ(kept(Kind::kF32, "a"), DType::kF32);
  EXPECT_EQ(kept(Kind::kBf16, "a"), DType::kBF16);
  EXPECT_EQ(kept(Kind::kS8, "a"), DType::kF16);
  for (const Kind kind : kKinds) {
    EXPECT_EQ(kept(kind, "r"), DType::kF32);
    EXPECT_EQ(kept(kind, "b"), DType::kF32);
  }
}

std::vector<float> run_with(const std::vector<float>& routes, const TestBatch& batch) {
  const FloatInput inputs[] = {{"r", routes.data()}};
  engine::PackedBatch packed = batch.packed();
  packed.float_inputs = inputs;
  return run(given_routes(), {}, packed, 2);
}

// The same places for every token.
std::vector<float> repeated(const std::vector<float>& route, int64_t tokens) {
  std::vector<float> routes;
  for (int64_t i = 0; i < tokens; ++i) routes.insert(routes.end(), route.begin(), route.end());
  return routes;
}

TEST(Experts, MayAllBeOne) {
  const graph::Graph graph = given_routes();
  for (const int32_t tokens : {1, 127, 128, 129, 700}) {
    const TestBatch batch({tokens});
    const std::vector<float> routes = repeated({0.75f, 0.25f, 3, 3}, tokens);
    const std::vector<float> want = combine_plainly(graph, rows_of(graph, batch), routes);
    EXPECT_LT(worst_of(run_with(routes, batch), want), 1e-4) << tokens;
  }
}

TEST(Experts, RoutesThatNameNoExpertAreTheFirst) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const TestBatch batch({40});
  const std::vector<float> first = run_with(repeated({0.5f, 0.5f, 0, 0}, 40), batch);
  for (const float bad : {-1.0f, 5.0f, 1e30f, kNan}) {
    EXPECT_EQ(run_with(repeated({0.5f, 0.5f, bad, bad}, 40), batch), first) << bad;
  }
}

// The work is that of two experts of five.
TEST(Experts, CountTheWorkOfThoseThatAreRun) {
  const TestBatch batch({100});
  const double products = 2.0 * 100 * kTopK * 2 * kWidth * kInner;
  const double router = 2.0 * 100 * kExperts * kWidth;
  EXPECT_EQ(Plan::make(routed())->operations(batch.packed()), products + router);
}

}  // namespace
}  // namespace tamis::engines::cpu
