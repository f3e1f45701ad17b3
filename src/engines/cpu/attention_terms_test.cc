#include "engines/cpu/attention_terms.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/testing/text_constants.h"
#include "kernels/reference/attention_terms.h"

namespace tamis::engines::cpu {
namespace {

TEST(SeenPairs, AreThoseThatTheKernelsSee) {
  constexpr int64_t kAll = kernels::AttentionTerms::kAll;
  for (const int64_t left : {int64_t{0}, int64_t{1}, int64_t{3}, kAll}) {
    for (const int64_t right : {int64_t{0}, int64_t{1}, int64_t{4}, kAll}) {
      kernels::AttentionTerms terms;
      terms.left = left;
      terms.right = right;
      for (int64_t length = 1; length < 10; ++length) {
        int64_t pairs = 0;
        for (int64_t row = 0; row <= length; ++row) {
          EXPECT_EQ(seen_pairs(terms, row, length), pairs)
              << row << " of " << length << ", " << left << " before, " << right << " behind";
          for (int64_t key = 0; key < length; ++key) {
            pairs += kernels::reference::sees(terms, {}, {0, 0, row, key}) ? 1 : 0;
          }
        }
      }
    }
  }
}

graph::Graph attention(std::string_view attributes) {
  const std::string text = cat(R"(tamis graph 2
input %x : F32[T, 8]
constant %slopes : F32[2]
constant %keys : F32[8, 8]
%a = Attention(q=%x, k=%x, v=%x, bias=%slopes, position_keys=%keys) {heads=2, scale=1, )",
                               attributes, R"(} : F32[T, 8]
%b = Attention(q=%a, k=%a, v=%a, bias=%slopes, position_keys=%keys) {heads=2, scale=1, )",
                               attributes, R"(} : F32[T, 8]
output y = %b
)");
  graph::testing::TextConstants constants(text);
  return graph::parse_graph(text, "test", graph::testing::TextConstants::find, &constants);
}

/// What a plan makes a node's terms with.
struct Lowered {
  explicit Lowered(std::string_view attributes)
      : graph(attention(attributes)), lowering(graph, options, table, copies) {}

  [[nodiscard]] NodeTerms terms(size_t node) { return {graph.nodes()[node], lowering}; }

  graph::Graph graph;
  PlanOptions options;
  std::vector<QuantizedRows> copies;
  ValueTable table;
  Lowering lowering;
};

TEST(NodeTerms, WindowsBeyondAllAreAll) {
  Lowered lowered(
      "left=9000000000000000000, right=9000000000000000000, bias=alibi, max_distance=4, "
      "max_relative_positions=4");
  const NodeTerms terms = lowered.terms(0);
  EXPECT_FALSE(terms.get().windowed());
  EXPECT_EQ(seen_pairs(terms.get(), 5, 5), 25);
}

TEST(NodeTerms, LayersThatKnowTheSameDistancesShareTheirTables) {
  Lowered lowered("bias=alibi, max_distance=4, position_buckets=4, max_relative_positions=9");
  const NodeTerms first = lowered.terms(0);
  const NodeTerms second = lowered.terms(1);
  EXPECT_EQ(first.get().bias, second.get().bias);
  EXPECT_EQ(first.get().slots, second.get().slots);
}

}  // namespace
}  // namespace tamis::engines::cpu
