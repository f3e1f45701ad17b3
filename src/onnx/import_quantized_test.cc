// Integers in files: whose numbers they are, and what may read them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

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

// ONNX Runtime's quantizer takes out a Relu before integers that begin at 0.
TEST(ImportQuantized, IntegersThatBeginAtZeroCutOffWhatIsBelow) {
  const auto count = [](QdqModel edit, ElementType type, std::vector<uint8_t> zero,
                        Activation activation) {
    edit.set("zero", {}, type, std::move(zero));
    const ImportedModel imported = import_onnx(edit.model, "m.onnx");
    return std::ranges::count_if(imported.graph.nodes(), [activation](const graph::Node& node) {
      const auto* const fields = std::get_if<graph::ActivationAttributes>(&node.attributes);
      return fields != nullptr && fields->activation == activation;
    });
  };
  const auto relus = [&](const QdqModel& edit, ElementType type, std::vector<uint8_t> zero) {
    return count(edit, type, std::move(zero), Activation::kRelu);
  };
  EXPECT_EQ(relus({}, ElementType::kUint8, {0}), 1);
  EXPECT_EQ(relus({}, ElementType::kInt8, {0x80}), 1);
  EXPECT_EQ(relus({}, ElementType::kUint8, {1}), 0);
  EXPECT_EQ(relus({}, ElementType::kInt8, {0}), 0);
  EXPECT_EQ(relus({}, ElementType::kInt8, {0x7f}), 0);
  QdqModel silent;
  for (const char* const name : {"integers", "numbers"}) silent.maker(name).inputs.resize(2);
  EXPECT_EQ(relus(silent, ElementType::kUint8, {100}), 1);
  QdqModel clipped;
  clipped.set_floats("scale", {}, {6.0f / 255});
  EXPECT_EQ(count(clipped, ElementType::kUint8, {0}, Activation::kRelu6), 1);
  EXPECT_EQ(relus(clipped, ElementType::kUint8, {0}), 0);
  silent.maker("integers").attributes = {integer("output_dtype", 3)};
  EXPECT_EQ(relus(silent, ElementType::kUint8, {100}), 0);  // INT8
  silent.maker("integers").attributes = {integer("output_dtype", 4)};
  silent.set_floats("scale", {}, {6.0f / 65535});
  EXPECT_EQ(count(silent, ElementType::kUint8, {100}, Activation::kRelu6), 1);  // UINT16
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

// Every product with both operands quantized at run time, as quantize_dynamic writes it without
// MatMulConstBOnly, which is how Optimum calls it.
void quantize_products(EditableModel& edit) {
  std::vector<NodeProto> products;
  for (const NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == "MatMul") products.push_back(node);
  }
  ASSERT_FALSE(products.empty());
  for (const NodeProto& product : products) {
    const std::string& y = product.outputs[0];
    for (const char* side : {"0", "1"}) {
      const std::string x = cat(y, "_side", side);
      NodeProto quantize =
          make_node("DynamicQuantizeLinear", {product.inputs[side == std::string("1") ? 1 : 0]}, x);
      quantize.outputs = {x, x + "_scale", x + "_zero"};
      edit.insert(y, quantize);
    }
    edit.insert(y, make_node("Mul", {y + "_side0_scale", y + "_side1_scale"}, y + "_scale"));
    edit.insert(y, make_node("MatMulInteger",
                             {y + "_side0", y + "_side1", y + "_side0_zero", y + "_side1_zero"},
                             y + "_integers"));
    edit.insert(y, make_node("Cast", {y + "_integers"}, y + "_cast", {integer("to", 1)}));
    edit.maker(y) = make_node("Mul", {y + "_cast", y + "_scale"}, y);
  }
}

TEST(ImportQuantized, ReadsProductsOfWhatIsQuantizedAtRunTime) {
  // Among them products of a table of positions and a weight, both constants.
  for (const char* file :
       {"bert-cls-dynamo-op18-eager-tf524.onnx", "bert-relative-key-query-legacy-op17-tf457.onnx",
        "deberta-base-legacy-op14-eager.onnx", "deberta-v2-cls-legacy-op14-eager.onnx",
        "modernbert-base-legacy-op14-eager-tf524-level2.onnx",
        "t5-base-gated-legacy-op17-sdpa.onnx"}) {
    EditableModel edit(file);
    const std::string expected = graph::print(import_onnx(edit.model, "m.onnx").graph);
    quantize_products(edit);
    EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph), expected) << file;
  }
}

TEST(ImportQuantized, RefusesProductsUnderAnotherScale) {
  EditableModel edit;
  quantize_products(edit);
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type != "MatMulInteger") continue;
    const std::string y = node.outputs[0].substr(0, node.outputs[0].find("_integers"));
    edit.maker(y + "_scale").inputs[1] = y + "_side0_scale";
    break;
  }
  expect_refused(edit.model, "(Mul): the scale of other rows than those that were multiplied");
}

constexpr std::string_view kConvolved = "/m/deberta/encoder/conv/conv/Conv_output_0";

// The convolution of a large DeBERTa model as quantize_dynamic writes it.
struct ConvolutionModel : EditableModel {
  ConvolutionModel() : EditableModel("deberta-v2-cls-legacy-op14-eager.onnx") {
    constexpr size_t kSize = 16 * 16 * 3;
    std::vector<uint8_t> values(kSize);
    for (size_t i = 0; i < kSize; ++i) values[i] = static_cast<uint8_t>(i % 251);
    set("integers", {16, 16, 3}, ElementType::kUint8, std::move(values));
    set_floats("weight_scale", {}, {0.25f});
    set("weight_zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
    set_integers("columns", {1, -1, 1});
    NodeProto& move = maker("/m/deberta/encoder/conv/Transpose_output_0");
    NodeProto quantize = make_node("DynamicQuantizeLinear", {move.inputs[0]}, "x");
    quantize.outputs = {"x", "x_scale", "x_zero"};
    move.inputs[0] = "x";
    insert(move.outputs[0], quantize);
    NodeProto convolution = maker(kConvolved);
    const std::string bias = convolution.inputs[2];
    convolution.op_type = "ConvInteger";
    convolution.inputs = {convolution.inputs[0], "integers", "x_zero", "weight_zero"};
    convolution.outputs = {"product"};
    for (NodeProto& node : std::vector<NodeProto>{
             convolution, make_node("Cast", {"product"}, "floats", {integer("to", 1)}),
             make_node("Mul", {"x_scale", "weight_scale"}, "scales"),
             make_node("Mul", {"floats", "scales"}, "scaled"),
             make_node("Reshape", {bias, "columns"}, "bias")}) {
      insert(kConvolved, std::move(node));
    }
    maker(kConvolved) = make_node("Add", {"scaled", "bias"}, std::string(kConvolved));
  }
};

TEST(ImportQuantized, TakesConvolutionsOfIntegers) {
  const auto weight = [](const ModelProto& model) {
    const graph::Graph graph = import_onnx(model, "m.onnx").graph;
    for (const graph::Node& node : graph.nodes()) {
      if (node.op != graph::OpKind::kUnfold) continue;
      for (const graph::Node& reader : graph.nodes()) {
        if (reader.op != graph::OpKind::kMatMul || reader.inputs[0] != node.output) continue;
        const auto values = graph.value(reader.inputs[1]).constant->as<float>();
        return std::vector<float>(values.begin(), values.end());
      }
    }
    return std::vector<float>();
  };
  const std::vector<float> got = weight(ConvolutionModel().model);
  ASSERT_EQ(got.size(), 16u * 16 * 3);
  for (size_t i = 0; i < got.size(); ++i) {
    // [out, neighbor, in] of [out, in, neighbor]
    const size_t from = i / 48 * 48 + i % 16 * 3 + i / 16 % 3;
    ASSERT_EQ(got[i], 0.25f * (static_cast<float>(from % 251) - 100)) << i;
  }
}

TEST(ImportQuantized, RefusesConvolutionsOfOtherIntegers) {
  ConvolutionModel around;
  for (AttributeProto& attribute : around.maker("product").attributes) {
    if (attribute.name == "pads") attribute.integers = {2, 0};
  }
  expect_refused(around.model, "(ConvInteger): a convolution that is not of masked hidden states");
  ConvolutionModel scales;
  scales.set_floats("weight_scale", {16}, std::vector<float>(16, 0.25f));
  expect_refused(scales.model, "(Mul): a convolution with several scales");
  ConvolutionModel zero;
  zero.maker("product").inputs[2] = "";
  expect_refused(zero.model, "(ConvInteger): integers and their zero point do not come from");
  ConvolutionModel bare;
  bare.maker("scaled").inputs[1] = "weight_scale";
  expect_refused(bare.model, "(Mul): ");
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

// Tables and norm in integers, each with a scale and a zero point of its own.
TEST(ImportQuantized, ReadsAQuantizedEmbedLayerNormalization) {
  EditableModel integers{std::string(kFused)};
  EditableModel floats{std::string(kFused)};
  NodeProto& norm = integers.maker("EmbedLayerNormalization_0_output");
  norm.op_type = "QEmbedLayerNormalization";
  norm.inputs.resize(18);
  for (size_t i = 2; i <= 6; ++i) {
    const std::string name = norm.inputs[i];
    const auto& all = integers.model.graph.initializers;
    const auto tensor = std::ranges::find(all, name, &TensorProto::name);
    ASSERT_NE(tensor, all.end());
    const std::vector<int64_t> dims = tensor->dims;
    const float scale = 0.01f * static_cast<float>(i);
    const int zero = 90 + static_cast<int>(i);
    std::vector<uint8_t> codes;
    std::vector<float> values;
    for (size_t k = 0; k < tensor->bytes.size() / sizeof(float); ++k) {
      codes.push_back(static_cast<uint8_t>(k * 7 % 251));
      values.push_back(static_cast<float>(codes.back() - zero) * scale);
    }
    norm.inputs[i + 6] = cat("scale_", i);
    norm.inputs[i + 11] = cat("zero_", i);
    integers.set_floats(norm.inputs[i + 6], {}, {scale});
    integers.set(norm.inputs[i + 11], {}, ElementType::kUint8,
                 std::vector<uint8_t>{static_cast<uint8_t>(zero)});
    integers.set(name, dims, ElementType::kUint8, codes);
    floats.set_floats(name, dims, values);
  }
  const graph::Graph expected = import_onnx(floats.model, "m.onnx").graph;
  const graph::Graph graph = import_onnx(integers.model, "m.onnx").graph;
  EXPECT_EQ(graph.nodes().size(), expected.nodes().size());
  for (const char* const name :
       {"bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.bias"}) {
    const auto read = graph.find_value(name);
    const auto wanted = expected.find_value(name);
    ASSERT_NE(read, graph::kNoValue) << name;
    ASSERT_NE(wanted, graph::kNoValue) << name;
    const auto a = graph.value(read).constant->as<float>();
    const auto b = expected.value(wanted).constant->as<float>();
    EXPECT_TRUE(std::ranges::equal(a, b)) << name;
  }
}

// Of a model exported without token_type_ids the fused operator has zeros of its own.
TEST(ImportQuantized, TakesOneSegmentForAllTokens) {
  EditableModel edit{std::string(kFused)};
  NodeProto& norm = edit.maker("EmbedLayerNormalization_0_output");
  ASSERT_EQ(norm.op_type, "EmbedLayerNormalization");
  norm.inputs[1] = "zeros";
  const std::string mask = norm.inputs[7];
  edit.insert("EmbedLayerNormalization_0_output", make_node("Sub", {mask, mask}, "zeros"));
  const graph::Graph whole = import_onnx(EditableModel{std::string(kFused)}.model, "m.onnx").graph;
  const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
  const auto segments = whole.find_value("bert.embeddings.token_type_embeddings.weight");
  ASSERT_NE(segments, graph::kNoValue);
  const auto table = whole.value(segments).constant->as<float>();
  int rows = 0;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kAdd) continue;
    const auto& added = graph.value(node.operand(graph::Operand::kY)).constant;
    if (!added || added->elements() > static_cast<int64_t>(table.size()) / 2) continue;
    const auto row = added->as<float>();
    if (std::equal(row.begin(), row.end(), table.begin())) ++rows;
  }
  EXPECT_EQ(rows, 1);
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

// Where a product of hidden states, or of a table of positions, has a constant matrix.
bool is_linear(const EditableModel& edit, const NodeProto& node) {
  return node.op_type == "MatMul" &&
         std::ranges::any_of(edit.model.graph.initializers, [&](const TensorProto& tensor) {
           return tensor.name == node.inputs[1] && tensor.dims.size() == 2;
         });
}

// The matrix `name` as the integers `name_q`.
void round_to_integers(EditableModel& edit, const std::string& name) {
  const auto& all = edit.model.graph.initializers;
  const TensorProto tensor = *std::ranges::find(all, name, &TensorProto::name);
  std::vector<int8_t> integers;
  for (size_t i = 0; i < tensor.bytes.size() / sizeof(float); ++i) {
    float value = 0;
    std::memcpy(&value, tensor.bytes.data() + i * sizeof(float), sizeof(float));
    integers.push_back(static_cast<int8_t>(std::clamp(value * 20, -127.0f, 127.0f)));
  }
  edit.set(name + "_q", tensor.dims, ElementType::kInt8, std::move(integers));
}

// Every linear layer with integers as its weight: as the numbers that they stand for, or quantizing
// its input at run time as onnxruntime's quantize_dynamic writes it.
ModelProto with_integer_weights(const std::string& file, bool at_run_time) {
  EditableModel edit(file);
  edit.set_floats("weight_scale", {}, {0.05f});
  std::vector<NodeProto> nodes;
  for (const NodeProto& node : edit.model.graph.nodes) {
    if (!is_linear(edit, node)) {
      nodes.push_back(node);
      continue;
    }
    const std::string weight = node.inputs[1] + "_q";
    round_to_integers(edit, node.inputs[1]);
    const std::string y = node.outputs[0];
    NodeProto last = node;
    if (at_run_time) {
      NodeProto quantize = make_node("DynamicQuantizeLinear", {node.inputs[0]}, y + "_q");
      quantize.outputs.insert(quantize.outputs.end(), {y + "_scale", y + "_zero"});
      nodes.push_back(quantize);
      nodes.push_back(make_node("MatMulInteger", {y + "_q", weight, y + "_zero"}, y + "_product"));
      nodes.push_back(make_node("Cast", {y + "_product"}, y + "_float", {integer("to", 1)}));
      nodes.push_back(make_node("Mul", {y + "_scale", "weight_scale"}, y + "_scales"));
      last.op_type = "Mul";
      last.inputs = {y + "_float", y + "_scales"};
    } else {
      nodes.push_back(make_node("DequantizeLinear", {weight, "weight_scale"}, y + "_weight"));
      last.inputs[1] = y + "_weight";
    }
    nodes.push_back(last);
  }
  edit.model.graph.nodes = std::move(nodes);
  return edit.model;
}

TEST(ImportQuantized, MultipliesWhatAMomentAgoWasANormOrATable) {
  for (const std::string file :
       {"bert-cls-dynamo-op18-eager-tf524.onnx", "qwen3-base-legacy-op17-sdpa.onnx",
        "t5-base-gated-legacy-op17-sdpa.onnx", "esm-base-legacy-op17-eager.onnx",
        "deberta-base-legacy-op14-eager.onnx", "deberta-v2-cls-legacy-op14-eager.onnx",
        "modernbert-base-legacy-op14-eager-tf524-level2.onnx"}) {
    const ModelProto at_run_time = with_integer_weights(file, true);
    const ModelProto numbers = with_integer_weights(file, false);
    EXPECT_GT(at_run_time.graph.nodes.size(), numbers.graph.nodes.size()) << file;
    EXPECT_EQ(graph::print(import_onnx(at_run_time, "m.onnx").graph),
              graph::print(import_onnx(numbers, "m.onnx").graph))
        << file;
  }
}

// Integers of a table move before they are made numbers.
TEST(ImportQuantized, MovesRowsOfIntegersBeforeTheyAreNumbers) {
  const auto with_integer_table = [](bool move_first) {
    EditableModel edit(std::string("t5-base-gated-legacy-op17-sdpa.onnx"));
    auto& nodes = edit.model.graph.nodes;
    const auto transpose = std::ranges::find_if(nodes, [&](const NodeProto& node) {
      return node.op_type == "Transpose" && edit.maker(node.inputs[0]).op_type == "Gather";
    });
    if (transpose == nodes.end()) throw std::runtime_error("no bias by distance");
    const std::string turned = transpose->outputs[0];
    const std::string rows = transpose->inputs[0];
    round_to_integers(edit, edit.maker(rows).inputs[0]);
    edit.set_floats("table_scale", {}, {0.05f});
    edit.maker(rows).inputs[0] += "_q";
    const std::string first = move_first ? turned : rows;
    NodeProto& maker = edit.maker(first);
    maker.outputs[0] = "integers";
    const std::string before = move_first ? "integers" : turned;
    const NodeProto numbers = make_node("DequantizeLinear", {"integers", "table_scale"}, first);
    const auto at = nodes.begin() + (&edit.maker(before) - nodes.data()) + (move_first ? 1 : 0);
    nodes.insert(at, numbers);
    return graph::print(import_onnx(edit.model, "m.onnx").graph);
  };
  EXPECT_EQ(with_integer_table(true), with_integer_table(false));
}

// All that reads `from`, but the nodes that `nodes` puts in front of them, reads `to`.
void read_instead(EditableModel& edit, const std::string& from, const std::string& to,
                  const std::vector<NodeProto>& nodes) {
  auto& all = edit.model.graph.nodes;
  for (NodeProto& node : all) std::ranges::replace(node.inputs, from, to);
  const auto behind = all.begin() + (&edit.maker(from) - all.data()) + 1;
  all.insert(behind, nodes.begin(), nodes.end());
}

// Of static files, which quantize rotary positions too.
TEST(ImportQuantized, LeavesOutTheScalesOfWhatFollowsFromIdsAndSizes) {
  const std::string file = "esm-base-legacy-op17-eager.onnx";
  EditableModel edit(file);
  edit.set_floats("scale", {}, {0.01f});
  edit.set_floats("one", {}, {1.0f});
  edit.set("zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
  edit.set("ones", {1}, ElementType::kUint8, std::vector<uint8_t>{1});
  const auto& all = edit.model.graph.nodes;
  const std::string cosines = std::ranges::find(all, "Cos", &NodeProto::op_type)->outputs[0];
  NodeProto product = make_node(
      "QLinearMul", {"integers", "scale", "zero", "ones", "one", "", "scale", "zero"}, "product");
  NodeProto sum = make_node(
      "QLinearAdd", {"product", "scale", "zero", "zeros", "one", "", "scale", "zero"}, "sum");
  edit.set("zeros", {1}, ElementType::kUint8, std::vector<uint8_t>{0});
  product.domain = sum.domain = "com.microsoft";
  read_instead(edit, cosines, "floats",
               {make_node("QuantizeLinear", {cosines, "scale", "zero"}, "integers"), product, sum,
                make_node("DequantizeLinear", {"sum", "scale", "zero"}, "numbers"),
                make_node("CastLike", {"numbers", "one"}, "floats")});
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph),
            graph::print(import_onnx(EditableModel(file).model, "m.onnx").graph));
}

TEST(ImportQuantized, RefusesConstantsThatWereQuantizedAtRunTime) {
  EditableModel edit;
  NodeProto quantize = make_node("DynamicQuantizeLinear", {"m.classifier.bias"}, "integers");
  quantize.outputs.insert(quantize.outputs.end(), {"scale", "zero"});
  edit.append(quantize);
  edit.append(make_node("Cast", {"integers"}, "y", {integer("to", 1)}));
  expect_refused(edit.model, "(Cast): hidden states as integers; DequantizeLinear");
  edit.model.graph.nodes.back() = make_node("Flatten", {"integers"}, "y");
  expect_refused(edit.model, "(Flatten): hidden states as integers; DequantizeLinear");
}

}  // namespace
}  // namespace tamis::onnx
