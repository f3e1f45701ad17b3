// Weights in 16 bits stay so where a power of two leaves them exact.
#include <gtest/gtest.h>

#include "base/bf16.h"
#include "passes/pipeline.h"
#include "tensor/widened.h"

namespace tamis::passes {
namespace {

constexpr float kFactor = 0.125f;

// A weight of the type, all `value` but for 0 and -3.
std::shared_ptr<const Tensor> weight_of(DType type, float value) {
  Tensor weight(type, Shape{8, 8});
  for (uint16_t& bits : weight.mutable_as<uint16_t>()) {
    bits = type == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
  }
  weight.mutable_as<uint16_t>()[1] = 0;
  weight.mutable_as<uint16_t>()[2] = type == DType::kF16 ? float_to_f16(-3) : float_to_bf16(-3);
  return std::make_shared<const Tensor>(std::move(weight));
}

// An attention whose queries the weight makes.
graph::Graph attention_of(std::shared_ptr<const Tensor> weight) {
  graph::Graph graph;
  const auto ids =
      graph.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
  const auto table = std::make_shared<const Tensor>(DType::kF32, Shape{4, 8});
  const auto x = graph.add_node(graph::OpKind::kGather, {graph.add_constant("table", table), ids},
                                graph::NoAttributes{}, "embeddings");
  const auto q =
      graph.add_node(graph::OpKind::kMatMul, {x, graph.add_constant("weight", std::move(weight))},
                     graph::MatMulAttributes{}, "query");
  graph::AttentionAttributes attention;
  attention.heads = 2;
  attention.scale = kFactor;
  graph.add_output("token_embeddings",
                   graph.add_node(graph::OpKind::kAttention, {q, x, x}, attention, "self"));
  return graph;
}

// The weight after the pass.
graph::Value folded(DType type, float value) {
  graph::Graph graph = attention_of(weight_of(type, value));
  EXPECT_TRUE(find_pass("fold_attention_scale")->run(graph));
  graph::verify(graph);
  return graph.value(graph.find_value("weight"));
}

TEST(FoldAttentionScale, KeepsTheTypeThatAWeightIsStoredIn) {
  for (const DType type : {DType::kF16, DType::kBF16}) {
    const float value = 0.2001953125f;  // of 11 bits
    const float stored = widened(weight_of(type, value))->as<float>()[0];
    const graph::Value weight = folded(type, value);
    EXPECT_EQ(weight.dtype, type);
    EXPECT_EQ(weight.constant->dtype(), type);
    EXPECT_EQ(widened(weight.constant)->as<float>()[0], stored * kFactor);
    EXPECT_EQ(widened(weight.constant)->as<float>()[1], 0);
    EXPECT_EQ(widened(weight.constant)->as<float>()[2], -3 * kFactor);
  }
}

// A number whose last bits half precision has no place for an eighth of.
TEST(FoldAttentionScale, WidensAWeightThatItWouldRound) {
  const float value = 0x1.004p-14f;
  ASSERT_EQ(f16_to_float(float_to_f16(value)), value);
  const graph::Value weight = folded(DType::kF16, value);
  EXPECT_EQ(weight.dtype, DType::kF32);
  EXPECT_EQ(weight.constant->as<float>()[0], value * kFactor);
}

}  // namespace
}  // namespace tamis::passes
