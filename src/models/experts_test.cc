// NomicBERT's mixtures of experts: which layers have one, what it reads, and files it cannot honor.
#include "models/experts.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;

constexpr const char* kFolder = "nomic_bert-experts";

std::vector<int64_t> layers_of(const Experts& experts, int64_t layers) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < layers; ++i) {
    if (experts.in_layer(i)) found.push_back(i);
  }
  return found;
}

TEST(Experts, AreInTheSecondOfEverySoManyLayers) {
  EXPECT_EQ(layers_of({8, 2, 2}, 6), (std::vector<int64_t>{1, 3, 5}));
  EXPECT_EQ(layers_of({8, 2, 3}, 6), (std::vector<int64_t>{1, 4}));
  // As the code beside the checkpoint has it: no number leaves 1 over when divided by 1.
  for (const int64_t every : {1, 0, -1}) EXPECT_TRUE(layers_of({8, 2, every}, 6).empty());
  EXPECT_TRUE(layers_of({0, 1, 2}, 6).empty());
}

TEST(Experts, HaveTheWeightsOfTheirModules) {
  const EditableCheckpoint checkpoint(kFolder);
  const BuiltModel model = build_model(checkpoint.make());
  const std::vector<Node> routers = nodes_of(model, OpKind::kRouteTokens);
  ASSERT_EQ(routers.size(), 1u);
  EXPECT_EQ(routers[0].attribute<graph::RouteTokensAttributes>().top_k, 2);
  EXPECT_EQ(routers[0].scope, "nomic_bert.layers.1.mlp.router");
  const std::vector<Node> products = nodes_of(model, OpKind::kExpertMatMul);
  ASSERT_EQ(products.size(), 2u);
  for (const Node& node : products) {
    EXPECT_EQ(node.attribute<graph::ExpertMatMulAttributes>().experts, 3);
    EXPECT_EQ(node.operand(Operand::kRoutes), routers[0].output);
  }
  EXPECT_EQ(products[0].scope, "nomic_bert.layers.1.mlp.experts.mlp.w1");
  EXPECT_EQ(products[0].attribute<graph::ExpertMatMulAttributes>().activation, Activation::kGelu);
  EXPECT_EQ(products[1].attribute<graph::ExpertMatMulAttributes>().activation, Activation::kNone);
  EXPECT_TRUE(nodes_of(model, OpKind::kCombineExperts).size() == 1);
}

// The second products' weights lie the other way about.
TEST(Experts, AreTransposedOneByOne) {
  EditableCheckpoint checkpoint(kFolder);
  const std::string name = "encoder.layers.1.mlp.experts.mlp.w2";
  const Shape shape = checkpoint.at(name).tensor->shape();
  Tensor numbers(DType::kF32, shape);
  float next = 0;
  for (float& value : numbers.mutable_as<float>()) value = next++;
  checkpoint.set(name, std::move(numbers));
  const BuiltModel model = build_model(checkpoint.make());
  const Node product = nodes_of(model, OpKind::kExpertMatMul)[1];
  const Tensor& weight = *model.graph.value(product.operand(Operand::kWeight)).constant;
  const int64_t inner = shape[0] / 3;
  ASSERT_EQ(weight.shape(), (Shape{3 * shape[1], inner}));
  for (const int64_t at : {int64_t{0}, int64_t{5}, 2 * shape[1] + 3}) {
    const int64_t expert = at / shape[1];
    const auto row = weight.as<float>().subspan(static_cast<size_t>(at * inner));
    for (int64_t j = 0; j < inner; ++j) {
      const int64_t from = (expert * inner + j) * shape[1] + at % shape[1];
      EXPECT_EQ(row[static_cast<size_t>(j)], static_cast<float>(from));
    }
  }
}

std::string refusal(const EditableCheckpoint& checkpoint) {
  try {
    (void)build_model(checkpoint.make());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Experts, RefuseWhatDoesNotFit) {
  EXPECT_EQ(refusal(with_key(kFolder, "activation_function", "\"swiglu\"")),
            "config.json: activation_function swiglu is not built; accepted are gelu, in a mixture "
            "of experts");
  for (const auto& [key, value] :
       {std::pair{"moe_top_k", "4"}, std::pair{"moe_top_k", "0"}, std::pair{"num_experts", "-1"},
        std::pair{"num_experts", "1000000"}, std::pair{"moe_every_n_layers", "\"2\""}}) {
    EXPECT_NE(refusal(with_key(kFolder, key, value)).find(key), std::string::npos) << key;
  }
  // More experts than there are weights.
  EXPECT_NE(refusal(with_key(kFolder, "num_experts", "4")).find("mlp.router.layer.weight"),
            std::string::npos);
  for (const char* name :
       {"router.layer.weight", "experts.mlp.w1", "experts.mlp.w2", "experts.bias"}) {
    EditableCheckpoint without(kFolder);
    without.remove(cat("encoder.layers.1.mlp.", name));
    EXPECT_NE(refusal(without).find(name), std::string::npos) << name;
  }
}

TEST(Experts, AreNotThereWhereTheFileHasNone) {
  EditableCheckpoint dense = with_key(kFolder, "num_experts", "0");
  EXPECT_NE(refusal(dense).find("layers.1.mlp.fc1.weight"), std::string::npos);
}

}  // namespace
}  // namespace tamis::models
