#include "quant/cost.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "passes/pipeline.h"
#include "quant/marks.h"
#include "quant/plain_plan.h"
#include "quant/test_util.h"

namespace tamis::quant {
namespace {

IsaSet set_of(std::initializer_list<Isa> isas) {
  IsaSet set;
  for (const Isa isa : isas) set.add(isa);
  return set;
}

const IsaSet kAvx2Only = set_of({Isa::kAvx2});
const IsaSet kVnni = set_of({Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni});
const IsaSet kBf16 = set_of({Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16});

// Every table holds what the search builds on.
class Cost : public testing::TestWithParam<CpuId> {
 protected:
  static const CostTable& table() { return nearest_cost_table(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(
    Tables, Cost, testing::Values(CpuId{"AuthenticAMD", 25, 17}, CpuId{"GenuineIntel", 6, 207}),
    [](const auto& tested) { return std::string(table_name(nearest_cost_table(tested.param))); });

TEST(CostTables, TheNearestIsOfTheSameMaker) {
  const auto name = [](const char* vendor, int family, int model) {
    return table_name(nearest_cost_table({vendor, family, model}));
  };
  EXPECT_EQ(name("AuthenticAMD", 25, 17), "amd_zen4");
  EXPECT_EQ(name("AuthenticAMD", 26, 2), "amd_zen4");  // Zen 5
  EXPECT_EQ(name("GenuineIntel", 6, 207), "intel_emerald_rapids");
  EXPECT_EQ(name("GenuineIntel", 6, 143), "intel_emerald_rapids");
  EXPECT_EQ(name("GenuineIntel", 19, 1), "intel_emerald_rapids");
  EXPECT_FALSE(name("", 0, 0).empty());
}

TEST_P(Cost, IntegersAreCheaperThanFloat) {
  for (const int64_t width : {384, 768, 1024}) {
    const double f32 = table_ns(table(), CostOp::kGemmF32, width, width, kBf16);
    EXPECT_GT(f32, 0);
    EXPECT_LT(table_ns(table(), CostOp::kGemmS8, width, width, kVnni), f32);
    EXPECT_LT(table_ns(table(), CostOp::kGemmS8, width, width, kAvx2Only),
              table_ns(table(), CostOp::kGemmF32, width, width, kAvx2Only));
  }
}

// vdpbf16ps has half the rate of a multiply-add on Intel's, and on AMD's twice.
TEST(CostTables, KnowWhereBf16IsSlower) {
  const auto ratio = [](const CpuId& id) {
    const CostTable& table = nearest_cost_table(id);
    return table_ns(table, CostOp::kGemmBf16, 768, 768, kBf16) /
           table_ns(table, CostOp::kGemmF32, 768, 768, kBf16);
  };
  EXPECT_LT(ratio({"AuthenticAMD", 25, 17}), 0.7);
  EXPECT_GT(ratio({"GenuineIntel", 6, 207}), 1.2);
}

TEST_P(Cost, SizesBetweenRowsFollowTheWork) {
  const double row = table_ns(table(), CostOp::kGemmF32, 768, 768, kVnni);
  EXPECT_DOUBLE_EQ(table_ns(table(), CostOp::kGemmF32, 760, 768, kVnni), row * 760 / 768);
  EXPECT_DOUBLE_EQ(table_ns(table(), CostOp::kAttention, 768, 256, kVnni),
                   2 * table_ns(table(), CostOp::kAttention, 768, 128, kVnni));
}

TEST_P(Cost, SetsWithoutRowsTakeTheNextLower) {
  const IsaSet reference;
  EXPECT_EQ(table_ns(table(), CostOp::kGemmF32, 384, 384, reference),
            table_ns(table(), CostOp::kGemmF32, 384, 384, kAvx2Only));
  EXPECT_EQ(table_ns(table(), CostOp::kGemmS8, 384, 384, kBf16),
            table_ns(table(), CostOp::kGemmS8, 384, 384, kVnni));
}

// Tiles multiply bf16 at half the rate of bytes and several times that of float; a table of a CPU
// without them has the next lower set's rows.
TEST(CostTables, KnowWhatTilesCost) {
  IsaSet amx = kBf16;
  amx.add(Isa::kAmx);
  const auto ns = [&](const CpuId& id, CostOp op, IsaSet isas) {
    return table_ns(nearest_cost_table(id), op, 768, 768, isas);
  };
  const CpuId tiled = {"GenuineIntel", 6, 207};
  EXPECT_LT(ns(tiled, CostOp::kGemmS8, amx), ns(tiled, CostOp::kGemmS8, kVnni));
  EXPECT_LT(ns(tiled, CostOp::kGemmBf16, amx), ns(tiled, CostOp::kGemmF32, kBf16));
  EXPECT_LT(ns(tiled, CostOp::kGemmS8, amx), ns(tiled, CostOp::kGemmBf16, amx));
  EXPECT_LT(ns(tiled, CostOp::kAttentionBf16, amx), ns(tiled, CostOp::kAttention, amx));
  const CpuId plain = {"AuthenticAMD", 25, 17};
  EXPECT_EQ(ns(plain, CostOp::kGemmBf16, amx), ns(plain, CostOp::kGemmBf16, kBf16));
}

TEST(CostTables, AnAttentionIsInIntegersByItsProducts) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph, Scheme::kStatic);
  passes::run_pipeline(graph);
  const auto attention =
      std::ranges::find(graph.nodes(), graph::OpKind::kAttention, &graph::Node::op);
  ASSERT_NE(attention, graph.nodes().end());
  EXPECT_EQ(integer_work(graph, *attention, 10), 0);
  EXPECT_EQ(row_work(graph, *attention, 10), 2 * 8 * 10);
  const auto with = [&](std::vector<graph::Operand> on) {
    graph::Node node = *attention;
    for (graph::Quantizer& mark : node.quantizers) {
      mark.enabled = std::ranges::find(on, mark.operand) != on.end();
    }
    return integer_work(graph, node, 10);
  };
  using graph::Operand;
  EXPECT_EQ(with({Operand::kQ}), 0) << "keys are floats";
  EXPECT_EQ(with({Operand::kQ, Operand::kK}), 8 * 10);
  EXPECT_EQ(with({Operand::kQ, Operand::kK, Operand::kV}), 8 * 10);
  EXPECT_EQ(with({Operand::kQ, Operand::kK, Operand::kV, Operand::kProbabilities}), 2 * 8 * 10);
}

// Of scores whose queries and keys meet a table of 6 rows too.
TEST(CostTables, AnAttentionMultipliesItsTablesOfPositions) {
  graph::Graph graph = layer_with_position_products();
  add_marks(graph, Scheme::kStatic);
  passes::run_pipeline(graph);
  const auto attention =
      std::ranges::find(graph.nodes(), graph::OpKind::kAttention, &graph::Node::op);
  ASSERT_NE(attention, graph.nodes().end());
  for (graph::Quantizer& mark : attention->quantizers) mark.enabled = true;
  EXPECT_EQ(row_work(graph, *attention, 10), 8 * (2 * 10 + 2 * 6));
  EXPECT_EQ(integer_work(graph, *attention, 10), 8 * 2 * 10);
}

TEST_P(Cost, GraphsAddUp) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  passes::run_pipeline(graph);
  graph::Graph quantized = graph;
  make_plain_plan(quantized);
  CostModel model;
  model.table = &table();
  model.isas = kVnni;
  double difference = 0;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (!graph::is_matmul(graph.nodes()[i])) continue;
    // Heads work by sequence and are float in both.
    difference += matmul_ns(graph, graph.nodes()[i], model) -
                  matmul_ns(quantized, quantized.nodes()[i], model);
  }
  const double before = graph_ns(graph, model);
  EXPECT_GT(before, 0);
  EXPECT_NEAR(before - graph_ns(quantized, model), difference, 1e-9 * before);
}

}  // namespace
}  // namespace tamis::quant
