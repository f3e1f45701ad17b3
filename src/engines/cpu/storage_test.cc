// Which values a plan keeps in bf16, and that keeping them so changes no bit of a bf16 plan.
#include "engines/cpu/storage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "engines/cpu/session.h"
#include "engines/cpu/test_encoder.h"

namespace tamis::engines::cpu {
namespace {

PlanOptions bf16_options() {
  PlanOptions options;
  options.linear = FloatArithmetic::kBf16;
  return options;
}

// The outputs' values of the nodes of that kind, in order.
std::vector<graph::ValueId> made_by(const graph::Graph& graph, graph::OpKind op) {
  std::vector<graph::ValueId> values;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op == op) values.push_back(node.output);
  }
  return values;
}

std::vector<float> logits(const std::shared_ptr<const Plan>& plan, const TestBatch& batch) {
  ThreadPool pool(2);
  Outputs outputs;
  Session(plan, pool).run(batch.packed(), outputs);
  const auto values = outputs.get("logits").as<float>();
  return {values.begin(), values.end()};
}

DType kept(const std::vector<DType>& storage, graph::ValueId value) {
  return storage[static_cast<size_t>(value)];
}

TEST(Storage, QkvAndContextAreBf16WhereBothSidesRound) {
  const graph::Graph graph = test_encoder(FloatArithmetic::kBf16);
  const std::vector<DType> storage = choose_storage(graph, FloatArithmetic::kBf16);
  for (const graph::ValueId context : made_by(graph, graph::OpKind::kAttention)) {
    EXPECT_EQ(kept(storage, context), DType::kBF16);
    const graph::Node& attention = graph.nodes()[static_cast<size_t>(graph.producer(context))];
    EXPECT_EQ(kept(storage, attention.operand(graph::Operand::kQ)), DType::kBF16);
  }
  // Residuals and what LayerNorm reads or makes.
  for (const graph::OpKind op :
       {graph::OpKind::kLayerNormalization, graph::OpKind::kSkipLayerNormalization}) {
    for (const graph::ValueId value : made_by(graph, op)) {
      EXPECT_EQ(kept(storage, value), DType::kF32);
    }
  }
}

TEST(Storage, Fp32PlansKeepFp32) {
  for (const FloatArithmetic attention : {FloatArithmetic::kF32, FloatArithmetic::kBf16}) {
    const graph::Graph graph = test_encoder(attention);
    const std::vector<DType> storage = choose_storage(graph, FloatArithmetic::kF32);
    for (const graph::Node& node : graph.nodes()) {
      EXPECT_NE(kept(storage, node.output), DType::kBF16);
    }
  }
}

TEST(Storage, AttentionInFp32KeepsItsOperandsInFp32) {
  const graph::Graph graph = test_encoder(FloatArithmetic::kF32);
  const std::vector<DType> storage = choose_storage(graph, FloatArithmetic::kBf16);
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kAttention) continue;
    EXPECT_EQ(kept(storage, node.operand(graph::Operand::kQ)), DType::kF32);
    EXPECT_EQ(kept(storage, node.output), DType::kF32);
  }
}

TEST(Storage, MemoryIsSizedByType) {
  const graph::Graph graph = test_encoder(FloatArithmetic::kBf16);
  const auto plan = Plan::make(graph, bf16_options());
  for (const graph::ValueId context : made_by(graph, graph::OpKind::kAttention)) {
    const int slot = plan->table().of(context).slot;
    ASSERT_NE(slot, ValueTable::kNoSlot);
    EXPECT_GE(plan->table().slots[static_cast<size_t>(slot)].bytes_per_unit, 2 * kHidden);
  }
  Block block;
  block.token_end = 100;
  block.sequence_end = 1;
  std::vector<size_t> offsets;
  const size_t bf16_bytes = plan->table().offsets(block, offsets);
  const auto fp32 = Plan::make(test_encoder(FloatArithmetic::kF32), {});
  EXPECT_LT(bf16_bytes, fp32->table().offsets(block, offsets));
}

// A product rounds its input and attention its operands anyway, so rounding them one step earlier,
// where they are stored, gives the same bits as tapping them, which keeps them in fp32.
TEST(Storage, TapsAreFp32AndChangeNoBit) {
  const graph::Graph graph = test_encoder(FloatArithmetic::kBf16);
  const TestBatch batch({5, 1, 33, 20});
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    PlanOptions options = bf16_options();
    options.isas = isas_up_to(isa_name(isa));
    const std::vector<float> expected = logits(Plan::make(graph, options), batch);
    graph::Graph tapped = graph;
    for (const graph::Node& node : graph.nodes()) {
      if (graph.is_output(node.output)) continue;
      if (node.op == graph::OpKind::kMatMul || node.op == graph::OpKind::kAttention) {
        tapped.add_output(graph.value(node.output).name, node.output);
      }
    }
    const std::vector<DType> storage = choose_storage(tapped, FloatArithmetic::kBf16);
    for (const graph::Node& node : tapped.nodes()) {
      EXPECT_NE(kept(storage, node.output), DType::kBF16);
    }
    const std::vector<float> got = logits(Plan::make(tapped, options), batch);
    ASSERT_EQ(got.size(), expected.size());
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
        << isa_name(isa);
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
