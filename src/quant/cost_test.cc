#include "quant/cost.h"

#include <gtest/gtest.h>

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

TEST(Cost, IntegersAndBf16AreCheaperThanFloat) {
  for (const int64_t width : {384, 768, 1024}) {
    const double f32 = table_ns(CostOp::kGemmF32, width, width, kBf16);
    EXPECT_GT(f32, 0);
    EXPECT_LT(table_ns(CostOp::kGemmBf16, width, width, kBf16), f32);
    EXPECT_LT(table_ns(CostOp::kGemmS8, width, width, kVnni), f32);
    EXPECT_LT(table_ns(CostOp::kGemmS8, width, width, kAvx2Only),
              table_ns(CostOp::kGemmF32, width, width, kAvx2Only));
  }
}

TEST(Cost, SizesBetweenRowsFollowTheWork) {
  const double row = table_ns(CostOp::kGemmF32, 768, 768, kVnni);
  EXPECT_DOUBLE_EQ(table_ns(CostOp::kGemmF32, 760, 768, kVnni), row * 760 / 768);
  EXPECT_DOUBLE_EQ(table_ns(CostOp::kAttention, 768, 256, kVnni),
                   2 * table_ns(CostOp::kAttention, 768, 128, kVnni));
}

TEST(Cost, SetsWithoutRowsTakeTheNextLower) {
  const IsaSet reference;
  EXPECT_EQ(table_ns(CostOp::kGemmF32, 384, 384, reference),
            table_ns(CostOp::kGemmF32, 384, 384, kAvx2Only));
  EXPECT_EQ(table_ns(CostOp::kGemmS8, 384, 384, kBf16), table_ns(CostOp::kGemmS8, 384, 384, kVnni));
}

TEST(Cost, GraphsAddUp) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  passes::run_pipeline(graph);
  graph::Graph quantized = graph;
  make_plain_plan(quantized);
  CostModel model;
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
