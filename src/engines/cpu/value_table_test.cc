#include "engines/cpu/value_table.h"

#include <gtest/gtest.h>

#include "engines/cpu/storage.h"

namespace tamis::engines::cpu {
namespace {

using graph::OpKind;
using graph::ValueId;

std::shared_ptr<const Tensor> zeros(const Shape& shape) {
  return std::make_shared<Tensor>(DType::kF32, shape);
}

// A chain with a residual: x -> a -> b -> b + x -> out.
TEST(ValueTable, ValuesAliveTogetherNeverShare) {
  graph::Graph graph;
  const ValueId ids =
      graph.add_input("input_ids", DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const ValueId words = graph.add_constant("table", zeros({5, 16}));
  const ValueId weight = graph.add_constant("weight", zeros({16, 16}));
  const ValueId x = graph.add_node(OpKind::kGather, {words, ids}, graph::NoAttributes{}, "x");
  const ValueId a = graph.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, "a");
  const ValueId b = graph.add_node(OpKind::kMatMul, {a, weight}, graph::MatMulAttributes{}, "b");
  const ValueId sum = graph.add_node(OpKind::kAdd, {b, x}, graph::NoAttributes{}, "sum");
  const ValueId out =
      graph.add_node(OpKind::kMatMul, {sum, weight}, graph::MatMulAttributes{}, "out");
  graph.add_output("token_embeddings", out);

  const ValueTable table =
      make_value_table(graph, choose_storage(graph, graph::FloatArithmetic::kF32), {});
  const auto slot = [&table](ValueId id) { return table.of(id).slot; };
  EXPECT_EQ(slot(ids), ValueTable::kNoSlot);
  EXPECT_EQ(slot(words), ValueTable::kNoSlot);
  EXPECT_EQ(slot(out), ValueTable::kNoSlot);
  EXPECT_NE(slot(x), slot(a));
  EXPECT_NE(slot(a), slot(b));
  EXPECT_NE(slot(x), slot(b));
  EXPECT_NE(slot(sum), slot(b));
  EXPECT_NE(slot(sum), slot(x));
  EXPECT_EQ(slot(sum), slot(a));  // a is dead by then
  EXPECT_EQ(table.slots.size(), 3u);

  Block block;
  block.token_end = 7;
  std::vector<size_t> offsets;
  const size_t total = table.offsets(block, offsets);
  EXPECT_EQ(total, 3 * 7 * 16 * sizeof(float));
  for (const size_t offset : offsets) EXPECT_EQ(offset % 64, 0u);
}

// A step that does the next node's work too writes both outputs while others still read its input.
TEST(ValueTable, WhatIsMadeEarlySharesNothingWithWhatIsReadThen) {
  graph::Graph graph;
  const ValueId ids =
      graph.add_input("input_ids", DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const ValueId words = graph.add_constant("table", zeros({5, 16}));
  const ValueId weight = graph.add_constant("weight", zeros({16, 16}));
  const ValueId gamma = graph.add_constant("gamma", zeros({16}));
  const ValueId x = graph.add_node(OpKind::kGather, {words, ids}, graph::NoAttributes{}, "x");
  const ValueId a = graph.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, "a");
  const ValueId norm =
      graph.add_node(OpKind::kLayerNormalization, {a, gamma}, graph::LayerNormAttributes{}, "norm");
  const ValueId out =
      graph.add_node(OpKind::kMatMul, {norm, weight}, graph::MatMulAttributes{}, "out");
  graph.add_output("token_embeddings", out);
  const auto storage = choose_storage(graph, graph::FloatArithmetic::kF32);
  const ValueTable late = make_value_table(graph, storage, {});
  EXPECT_EQ(late.of(norm).slot, late.of(x).slot);
  const std::vector<int> made_at = {0, 1, 1, 3};
  const ValueTable early = make_value_table(graph, storage, {}, made_at);
  EXPECT_NE(early.of(norm).slot, early.of(x).slot);
  EXPECT_NE(early.of(norm).slot, early.of(a).slot);
}

}  // namespace
}  // namespace tamis::engines::cpu
