// Products in integers as ONNX Runtime's optimizer joins them with the nodes around.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "onnx/import_onnx.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

/// The same model twice: a product by integers, and by the floats that these stand for.
struct Pair {
  EditableModel integers;
  EditableModel floats;
  std::string output;  ///< of the product

  // Gives the first product by a weight its weight in integers; the rest is for the test to write.
  Pair() {
    const auto& all = integers.model.graph.initializers;
    for (const NodeProto& node : integers.model.graph.nodes) {
      if (node.op_type != "MatMul") continue;
      const auto tensor = std::ranges::find(all, node.inputs[1], &TensorProto::name);
      if (tensor == all.end() || tensor->dims.size() != 2) continue;
      output = node.outputs[0];
      const std::vector<int64_t> dims = tensor->dims;
      std::vector<uint8_t> codes;
      std::vector<float> values;
      for (int64_t k = 0; k < dims[0] * dims[1]; ++k) {
        codes.push_back(static_cast<uint8_t>(k * 7 % 251));
        values.push_back(static_cast<float>(codes.back() - 100) * 0.002f);
      }
      const std::string name = node.inputs[1];
      integers.set(name, dims, ElementType::kUint8, codes);
      floats.set_floats(name, dims, values);
      integers.set_floats("w_scale", {}, {0.002f});
      integers.set("w_zero", {}, ElementType::kUint8, std::vector<uint8_t>{100});
      return;
    }
    throw std::runtime_error("no product by a weight");
  }

  void expect_equal() const {
    const graph::Graph read = import_onnx(integers.model, "m.onnx").graph;
    const graph::Graph wanted = import_onnx(floats.model, "m.onnx").graph;
    ASSERT_EQ(read.nodes().size(), wanted.nodes().size());
    int constants = 0;
    for (size_t i = 0; i < wanted.value_count(); ++i) {
      const auto& value = wanted.value(static_cast<graph::ValueId>(i));
      if (value.constant == nullptr || value.constant->dtype() != DType::kF32) continue;
      const auto other = read.find_value(value.name);
      ASSERT_NE(other, graph::kNoValue) << value.name;
      EXPECT_TRUE(
          std::ranges::equal(read.value(other).constant->as<float>(), value.constant->as<float>()))
          << value.name;
      ++constants;
    }
    EXPECT_GT(constants, 20);
  }
};

TEST(ImportFusedIntegers, DynamicQuantizeMatMul) {
  Pair pair;
  NodeProto& node = pair.integers.maker(pair.output);
  node.op_type = "DynamicQuantizeMatMul";
  node.domain = "com.microsoft";
  node.inputs = {node.inputs[0], node.inputs[1], "w_scale", "w_zero"};
  pair.expect_equal();
}

TEST(ImportFusedIntegers, MatMulIntegerToFloat) {
  Pair pair;
  NodeProto& node = pair.integers.maker(pair.output);
  node.op_type = "MatMulIntegerToFloat";
  node.domain = "com.microsoft";
  const std::string x = node.inputs[0];
  node.inputs = {"x_integers", node.inputs[1], "x_scale", "w_scale", "x_zero", "w_zero"};
  NodeProto quantize = make_node("DynamicQuantizeLinear", {x}, "x_integers");
  quantize.outputs = {"x_integers", "x_scale", "x_zero"};
  pair.integers.insert(pair.output, quantize);
  pair.expect_equal();
}

// The bias of the node behind, which is left without one.
TEST(ImportFusedIntegers, TheirBias) {
  Pair pair;
  NodeProto& node = pair.integers.maker(pair.output);
  const auto& nodes = pair.integers.model.graph.nodes;
  const auto add = std::ranges::find_if(nodes, [&](const NodeProto& other) {
    return other.op_type == "Add" && std::ranges::count(other.inputs, pair.output) == 1;
  });
  ASSERT_NE(add, nodes.end());
  const std::string bias = add->inputs[0] == pair.output ? add->inputs[1] : add->inputs[0];
  const std::string sum = add->outputs[0];
  node.op_type = "DynamicQuantizeMatMul";
  node.domain = "com.microsoft";
  node.inputs = {node.inputs[0], node.inputs[1], "w_scale", "w_zero", bias};
  node.outputs[0] = sum;
  pair.integers.model.graph.nodes.erase(add);
  pair.expect_equal();
}

TEST(ImportFusedIntegers, FloatsInPlaceOfIntegersAreRefused) {
  Pair pair;
  NodeProto& node = pair.integers.maker(pair.output);
  node.op_type = "MatMulIntegerToFloat";
  node.domain = "com.microsoft";
  node.inputs = {node.inputs[0], node.inputs[1], "w_scale", "w_scale", "w_zero", "w_zero"};
  try {
    (void)import_onnx(pair.integers.model, "m.onnx");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("no operator before it has quantized"),
              std::string_view::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace tamis::onnx
