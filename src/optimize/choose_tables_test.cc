#include "optimize/choose_tables.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tamis::api {
namespace {

using quant::EmbeddingStorage;

// A linear layer over a table of words, whose weight is the table itself if it is tied.
graph::Graph graph_of(bool tied) {
  graph::Graph graph;
  const auto zeros = [](const Shape& shape) {
    return std::make_shared<const Tensor>(DType::kF32, shape);
  };
  const auto ids =
      graph.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const auto words = graph.add_constant("words", zeros({8, 8}));
  const auto weight = tied ? words : graph.add_constant("weight", zeros({8, 8}));
  const auto x =
      graph.add_node(graph::OpKind::kGather, {words, ids}, graph::NoAttributes{}, "embeddings");
  graph.add_output("logits", graph.add_node(graph::OpKind::kMatMul, {x, weight},
                                            graph::MatMulAttributes{}, "dense"));
  return graph;
}

/// Tables of a budget of KL 0.1 whose integers lose `kl`, and how often they were measured.
struct Chosen {
  EmbeddingStorage storage;
  std::vector<DType> measured;  ///< type of the words each time
};

Chosen choose(bool tied, double kl, std::optional<EmbeddingStorage> asked = {},
              bool has_budget = true) {
  std::optional<Budget> budget;
  if (has_budget) budget = Budget{BudgetMetric::kKl, 0.1, false};
  Chosen chosen;
  const StoredTables tables =
      choose_tables(graph_of(tied), asked, budget, [&](const graph::Graph& graph) {
        chosen.measured.push_back(graph.value(graph.find_value("words")).dtype);
        Evaluation evaluation;
        evaluation.rows = static_cast<int64_t>(chosen.measured.size());
        evaluation.against.emplace();
        evaluation.against->kl = evaluation.against->kl_upper_95 = kl;
        return evaluation;
      });
  chosen.storage = tables.choice.storage;
  EXPECT_EQ(tables.choice.evaluation->rows, static_cast<int64_t>(chosen.measured.size()))
      << "what is said is of the last way";
  EXPECT_EQ(tables.marked.value(tables.marked.find_value("words")).dtype, chosen.measured.back());
  return chosen;
}

TEST(ChooseTables, TakesIntegersThatTheBudgetHardlyNotices) {
  const Chosen cheap = choose(false, 0.01);
  EXPECT_EQ(cheap.storage, EmbeddingStorage::kInt8);
  EXPECT_EQ(cheap.measured, std::vector<DType>{DType::kI8});
  const Chosen dear = choose(false, 0.011);
  EXPECT_EQ(dear.storage, EmbeddingStorage::kHalf);
  EXPECT_EQ(dear.measured, (std::vector<DType>{DType::kI8, DType::kF16}));
  EXPECT_EQ(choose(false, NAN).storage, EmbeddingStorage::kHalf);
}

TEST(ChooseTables, TriesNothingThatMakesNoIntegers) {
  const Chosen tied = choose(true, 0);
  EXPECT_EQ(tied.storage, EmbeddingStorage::kHalf);
  EXPECT_EQ(tied.measured, std::vector<DType>{DType::kF32});
}

TEST(ChooseTables, FollowsWhatWasAsked) {
  for (const EmbeddingStorage asked :
       {EmbeddingStorage::kAsStored, EmbeddingStorage::kHalf, EmbeddingStorage::kInt8}) {
    const Chosen chosen = choose(false, 1, asked);
    EXPECT_EQ(chosen.storage, asked);
    EXPECT_EQ(chosen.measured.size(), 1U);
  }
  EXPECT_EQ(choose(false, 0, {}, false).storage, EmbeddingStorage::kHalf);
}

}  // namespace
}  // namespace tamis::api
