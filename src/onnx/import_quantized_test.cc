// Integers in files: whose numbers they are, and what may read them.
#include <gtest/gtest.h>

#include "graph/graph.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

constexpr std::string_view kFused = "bert-cls-op14-tf437-fusedq.onnx";
constexpr std::string_view kAttention = "/m/bert/encoder/layer.0/attention/self/Reshape_3_output_0";

// layer_norm through QuantizeLinear and DequantizeLinear before the first query.
struct QdqModel : EditableModel {
  QdqModel() {
    set_floats("scale", {}, {0.05f});
    set_floats("other_scale", {}, {0.06f});
    set("zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
    set("other_zero", {}, ElementType::kUint8, std::vector<uint8_t>{101});
    insert("val_65", make_node("QuantizeLinear", {"layer_norm", "scale", "zero"}, "integers"));
    insert("val_65", make_node("DequantizeLinear", {"integers", "scale", "zero"}, "numbers"));
    maker("val_65").inputs[0] = "numbers";
  }
};

TEST(ImportQuantized, LeavesStaticScalesOut) {
  const QdqModel edit;
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_EQ(imported.activation_scales, 1);
  EXPECT_EQ(graph::print(imported.graph),
            graph::print(import_onnx(EditableModel().model, "m.onnx").graph));
}

TEST(ImportQuantized, RefusesNumbersThatAreNotTheIntegersOwn) {
  constexpr std::string_view kOther = "another scale or zero point than hidden states were";
  QdqModel scale;
  scale.maker("numbers").inputs[1] = "other_scale";
  expect_refused(scale.model, cat("(DequantizeLinear): ", kOther));
  QdqModel zero;
  zero.maker("numbers").inputs[2] = "other_zero";
  expect_refused(zero.model, cat("(DequantizeLinear): ", kOther));
  QdqModel none;
  none.maker("numbers").inputs[0] = "layer_norm";
  expect_refused(none.model, "(DequantizeLinear): hidden states that no operator before it has");
}

TEST(ImportQuantized, RefusesIntegersThatAreReadAsNumbers) {
  QdqModel edit;
  edit.maker("numbers") = make_node("Cast", {"integers"}, "numbers", {integer("to", 1)});
  expect_refused(edit.model, "(Cast): hidden states as integers; DequantizeLinear");
  edit.maker("numbers") = make_node("Identity", {"integers"}, "numbers");
  expect_refused(edit.model, "(MatMul): hidden states as integers; DequantizeLinear");
  edit.maker("numbers").op_type = "Identity";
  edit.answer("numbers");
  edit.maker("val_65").inputs[0] = "layer_norm";
  expect_refused(edit.model, "output \"numbers\": is not made of hidden states");
}

TEST(ImportQuantized, RefusesProductsOfIntegersWithoutTheirZeroPoint) {
  EditableModel edit{std::string(kFused)};
  (void)import_onnx(edit.model, "m.onnx");
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type != "MatMulInteger") continue;
    const NodeProto whole = node;
    node.inputs[2] = "";
    expect_refused(edit.model, "(MatMulInteger): integers and their zero point do not come from");
    node = whole;
    node.inputs[0] = "EmbedLayerNormalization_0_output";
    expect_refused(edit.model, "(MatMulInteger): integers and their zero point do not come from");
    node = whole;
    node.inputs[3] = node.inputs[2];
    expect_refused(edit.model, "(MatMulInteger): input 3 ");
    break;
  }
}

TEST(ImportQuantized, CountsTheScaleOfAQuantizedAttention) {
  EditableModel edit{std::string(kFused)};
  edit.set_floats("scale", {}, {0.05f});
  edit.set("zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
  const std::string integers = "EmbedLayerNormalization_0_output_quantized";
  edit.maker(integers) =
      make_node("QuantizeLinear", {"EmbedLayerNormalization_0_output", "scale", "zero"}, integers);
  NodeProto& attention = edit.maker(kAttention);
  ASSERT_EQ(attention.op_type, "QAttention");
  attention.inputs[3] = "scale";
  attention.inputs[6] = "zero";
  EXPECT_EQ(import_onnx(edit.model, "m.onnx").activation_scales, 2);
  attention.inputs[6] = "Attention_0_qkv_weight_zero_point";
  expect_refused(edit.model, "(com.microsoft.QAttention): another scale or zero point than");
}

// One matrix of integers under two zero points is two matrices of numbers.
TEST(ImportQuantized, KeepsWeightsOfOtherZeroPointsApart) {
  EditableModel edit;
  edit.set("integers", {32, 32}, ElementType::kUint8, std::vector<uint8_t>(1024, 110));
  edit.set_floats("scale", {}, {0.5f});
  edit.set("zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
  edit.set("other_zero", {}, ElementType::kUint8, std::vector<uint8_t>{120});
  edit.insert("val_65", make_node("DequantizeLinear", {"integers", "scale", "zero"}, "query"));
  edit.insert("val_73", make_node("DequantizeLinear", {"integers", "scale", "other_zero"}, "key"));
  edit.maker("val_65").inputs[1] = "query";
  edit.maker("val_73").inputs[1] = "key";
  const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
  const auto first = [&graph](std::string_view name) {
    const graph::ValueId id =
        graph.find_value(cat("bert.encoder.layer.0.attention.self.", name, ".weight"));
    return graph.value(id).constant->as<float>()[0];
  };
  EXPECT_EQ(first("query"), 5.0f);
  EXPECT_EQ(first("key"), -5.0f);
}

TEST(ImportQuantized, RefusesWeightsThatAreNoConstants) {
  EditableModel edit;
  edit.set_floats("scale", {}, {0.5f});
  NodeProto node =
      make_node("QLinearMatMul",
                {"layer_norm", "scale", "", "token_type_ids", "scale", "", "scale", ""}, "y");
  edit.append(node);
  expect_refused(edit.model, "(QLinearMatMul): hidden states that no operator before it has");
  NodeProto attention = make_node(
      "QAttention", {"integers", "token_type_ids", "m.classifier.bias", "scale", "scale", "", ""},
      "y", {integer("num_heads", 2), number("mask_filter_value", -1e9f)});
  attention.domain = "com.microsoft";
  edit.model.graph.nodes.back() = make_node("QuantizeLinear", {"layer_norm", "scale"}, "integers");
  edit.append(attention);
  expect_refused(edit.model, "\"token_type_ids\" depends on ids and sizes; constant integers");
}

}  // namespace
}  // namespace tamis::onnx
