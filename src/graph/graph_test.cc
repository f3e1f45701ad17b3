#include "graph/graph.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::graph {
namespace {

std::shared_ptr<const Tensor> zeros(const Shape& shape) {
  return std::make_shared<Tensor>(DType::kF32, shape);
}

SymbolicShape tokens(int64_t n) { return {Dim::of(Symbol::kTokens), Dim::of(n)}; }

/// ids -> Gather -> MatMul -> output "y".
struct SmallGraph {
  Graph graph;
  ValueId ids, table, x, weight, y;
  SmallGraph() {
    ids = graph.add_input(kInputIds, DType::kI32, {Dim::of(Symbol::kTokens)});
    table = graph.add_constant("table", zeros({10, 4}));
    x = graph.add_node(OpKind::kGather, {table, ids}, NoAttributes{}, "embeddings", "x");
    weight = graph.add_constant("weight", zeros({6, 4}));
    y = graph.add_node(OpKind::kMatMul, {x, weight}, MatMulAttributes{}, "dense", "y");
    graph.add_output("logits", y);
  }
};

std::string refusal(const Graph& graph) {
  try {
    verify(graph);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(Graph, InfersShapes) {
  SmallGraph g;
  EXPECT_EQ(g.graph.value(g.x).shape, tokens(4));
  EXPECT_EQ(g.graph.value(g.y).shape, tokens(6));
  EXPECT_EQ(refusal(g.graph), "");
  const ValueId pooled = g.graph.add_node(OpKind::kSequencePool, {g.y},
                                          PoolAttributes{{Pooling::kCls, Pooling::kMean}}, "pool");
  EXPECT_EQ(g.graph.value(pooled).shape.to_string(), "[B, 12]");
  const ValueId scores = g.graph.add_node(OpKind::kAttentionScores, {g.y, g.y},
                                          AttentionAttributes{3, 1.0f}, "attention");
  EXPECT_EQ(g.graph.value(scores).shape.to_string(), "[3, A]");
}

TEST(Graph, RefusesWhatDoesNotFit) {
  SmallGraph g;
  const auto message = [&g](OpKind op, std::vector<ValueId> inputs, Attributes attributes) {
    try {
      g.graph.add_node(op, std::move(inputs), std::move(attributes), "here");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(OpKind::kMatMul, {g.y, g.weight}, MatMulAttributes{}),
            "MatMul at \"here\": x \"y\" is F32[T, 6], expected rows of 4 for a weight "
            "[6, 4]");
  EXPECT_EQ(message(OpKind::kAdd, {g.x, g.y}, NoAttributes{}),
            "Add at \"here\": y \"y\" is F32[T, 6], expected something that fits [T, 4]");
  EXPECT_EQ(message(OpKind::kAdd, {g.x}, NoAttributes{}), "Add at \"here\": operand y is missing");
  EXPECT_NE(message(OpKind::kAttentionScores, {g.y, g.y}, AttentionAttributes{4, 1.0f})
                .find("4 heads do not divide 6 columns"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kGather, {g.table, g.x}, NoAttributes{}).find("expected I32[T]"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kAdd, {g.x, g.x}, MatMulAttributes{}).find("attributes of another op"),
            std::string::npos);
}

// x [T, 4], three experts of weights [2, 4] and routes of two of them.
TEST(Graph, RefusesExpertsThatDoNotFit) {
  SmallGraph g;
  const auto message = [&g](OpKind op, std::vector<ValueId> inputs, Attributes attributes) {
    try {
      g.graph.add_node(op, std::move(inputs), std::move(attributes), "here");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const ValueId router = g.graph.add_constant("router", zeros({3, 4}));
  const ValueId routes = g.graph.add_node(OpKind::kRouteTokens, {g.x, router},
                                          RouteTokensAttributes{2}, "router", "routes");
  EXPECT_EQ(g.graph.value(routes).shape, tokens(4));
  const ValueId a = g.graph.add_node(OpKind::kExpertMatMul, {g.x, g.weight, routes},
                                     ExpertMatMulAttributes{3, Activation::kGelu}, "w1", "a");
  EXPECT_EQ(g.graph.value(a).shape, tokens(4));
  for (const int64_t top_k : {0, 4}) {
    EXPECT_EQ(message(OpKind::kRouteTokens, {g.x, router}, RouteTokensAttributes{top_k}),
              cat("RouteTokens at \"here\": the first ", top_k, " of 3 experts"));
  }
  EXPECT_NE(message(OpKind::kRouteTokens, {g.y, router}, RouteTokensAttributes{1})
                .find("expected F32[experts, 6]"),
            std::string::npos);
  EXPECT_EQ(message(OpKind::kExpertMatMul, {g.x, g.weight, routes}, ExpertMatMulAttributes{4}),
            "ExpertMatMul at \"here\": 4 experts do not divide 6 rows of their weight");
  EXPECT_NE(message(OpKind::kExpertMatMul, {g.y, g.weight, routes}, ExpertMatMulAttributes{3})
                .find("expected rows of 4 or 8"),
            std::string::npos);
  const ValueId odd = g.graph.add_constant("odd", zeros({3, 4}));
  const ValueId three =
      g.graph.add_node(OpKind::kMatMul, {g.x, odd}, MatMulAttributes{}, "odd", "three");
  for (const OpKind op : {OpKind::kExpertMatMul, OpKind::kCombineExperts}) {
    std::vector<ValueId> inputs = {g.x, three};
    if (op == OpKind::kExpertMatMul) inputs.insert(inputs.begin() + 1, g.weight);
    Attributes attributes = default_attributes(op);
    EXPECT_NE(message(op, inputs, attributes).find("[R, 2 * top_k]"), std::string::npos);
  }
  EXPECT_NE(
      message(OpKind::kExpertMatMul, {g.x, g.weight, routes, router}, ExpertMatMulAttributes{3})
          .find("I8 where there is a weight_scale"),
      std::string::npos);
}

// Rows of 8 columns, one cell a direction.
TEST(Graph, RefusesWordsThatDoNotFit) {
  SmallGraph g;
  const ValueId ids = g.graph.find_value(kInputIds);
  const auto message = [&g](OpKind op, std::vector<ValueId> inputs, Attributes attributes) {
    try {
      g.graph.add_node(op, std::move(inputs), std::move(attributes), "here");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto rows = [&g](int64_t n, const char* name) {
    const ValueId weight = g.graph.add_constant(cat(name, ".weight"), zeros({n, 4}));
    return g.graph.add_node(OpKind::kMatMul, {g.x, weight}, MatMulAttributes{}, name, name);
  };
  const ValueId gates = rows(8, "gates");
  const ValueId one = g.graph.add_constant("one", zeros({4, 1}));
  const ValueId two = g.graph.add_constant("two", zeros({8, 2}));
  EXPECT_EQ(message(OpKind::kLstm, {gates, one, one, ids}, LstmAttributes{7}), "");
  EXPECT_NE(message(OpKind::kLstm, {g.x, one, one, ids}, LstmAttributes{7})
                .find("expected F32 rows [T|S, 8n]"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kLstm, {gates, one, two, ids}, LstmAttributes{7})
                .find("backward \"two\" is F32[8, 2], expected F32[4, 1]"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kLstm, {gates, one, one, g.x}, LstmAttributes{7}).find("I32[T]"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kLstm, {gates, one, one, ids}, LstmAttributes{-1})
                .find("a label_token of -1"),
            std::string::npos);
  const ValueId labels = rows(9, "labels");
  const auto spans = [](int64_t max_width, int64_t count) {
    ScoreSpansAttributes fields;
    fields.max_width = max_width;
    fields.labels = count;
    return fields;
  };
  EXPECT_EQ(message(OpKind::kScoreSpans, {gates, gates, labels, ids}, spans(3, 5)), "");
  EXPECT_EQ(g.graph.value(g.graph.nodes().back().output).shape, tokens(15));
  EXPECT_NE(message(OpKind::kScoreSpans, {gates, gates, gates, ids}, spans(3, 5))
                .find("expected F32[T, 9]"),
            std::string::npos);
  EXPECT_NE(message(OpKind::kScoreSpans, {gates, g.x, labels, ids}, spans(3, 5))
                .find("expected F32[T, 8]"),
            std::string::npos);
  constexpr int64_t kFar = int64_t{1} << 40;
  for (const auto& [width, count] : {std::pair{int64_t{0}, int64_t{5}}, {3, 0}, {kFar, kFar}}) {
    EXPECT_NE(message(OpKind::kScoreSpans, {gates, gates, labels, ids}, spans(width, count))
                  .find(cat("spans of ", width, " words with ", count, " labels")),
              std::string::npos);
  }
}

TEST(Graph, VerifierFindsDisorder) {
  {
    SmallGraph g;
    std::swap(g.graph.nodes()[0], g.graph.nodes()[1]);
    EXPECT_EQ(refusal(g.graph), "graph: MatMul at \"dense\" reads \"x\" before it is made");
  }
  {
    SmallGraph g;
    g.graph.value(g.y).shape = tokens(7);
    EXPECT_EQ(refusal(g.graph),
              "graph: MatMul at \"dense\" gives F32[T, 6] but \"y\" is F32[T, 7]");
  }
  {
    SmallGraph g;
    g.graph.nodes()[1].quantizers.push_back(
        {Operand::kGamma, QuantScheme::kPerTokenU8, true, {}, {}, {"q"}});
    EXPECT_NE(refusal(g.graph).find("quantizer on gamma"), std::string::npos);
  }
  {
    SmallGraph g;
    g.graph.outputs().clear();
    EXPECT_EQ(refusal(g.graph), "graph: no outputs");
  }
}

TEST(Graph, RemovesWhatNothingNeeds) {
  SmallGraph g;
  const ValueId bias = g.graph.add_constant("bias", zeros({6}));
  g.graph.add_node(OpKind::kAdd, {g.y, bias}, NoAttributes{}, "dead");
  EXPECT_TRUE(g.graph.remove_dead());
  EXPECT_EQ(g.graph.nodes().size(), 2u);
  EXPECT_EQ(g.graph.find_value("bias"), kNoValue);
  EXPECT_EQ(refusal(g.graph), "");
  EXPECT_FALSE(g.graph.remove_dead());
}

TEST(Graph, CopiesShareWeights) {
  SmallGraph g;
  const Graph copy = g.graph;
  EXPECT_EQ(copy.value(g.table).constant.get(), g.graph.value(g.table).constant.get());
}

TEST(Graph, NamesStayUnique) {
  SmallGraph g;
  const ValueId again = g.graph.add_constant("weight", zeros({1}));
  EXPECT_EQ(g.graph.value(again).name, "weight_2");
}

}  // namespace
}  // namespace tamis::graph
