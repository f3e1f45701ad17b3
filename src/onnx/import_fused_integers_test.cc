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

// A weight of a few bits in blocks, and what is in them: as MatMulNBits reads it, or whole.
struct BitsCase {
  int bits = 4;
  int64_t block = 16;
  bool zeros = true;    // given
  bool packed = false;  // zero points in bits too; else floats
};

struct BitsPair : Pair {
  explicit BitsPair(const BitsCase& row) {
    NodeProto& node = integers.maker(output);
    const auto& all = integers.model.graph.initializers;
    const std::string name = node.inputs[1];
    const std::vector<int64_t> dims = std::ranges::find(all, name, &TensorProto::name)->dims;
    const int64_t k = dims[0];
    const int64_t n = dims[1];
    const int64_t blocks = (k + row.block - 1) / row.block;
    const int64_t row_bytes = blocks * row.block * row.bits / 8;
    const int64_t zero_bytes = (blocks * row.bits + 7) / 8;
    std::vector<uint8_t> bytes(static_cast<size_t>(n * row_bytes));
    std::vector<uint8_t> zero_codes(static_cast<size_t>(n * zero_bytes));
    std::vector<float> scales(static_cast<size_t>(n * blocks));
    std::vector<float> zeros(scales.size());
    std::vector<float> values(static_cast<size_t>(k * n));
    const auto put = [&row](std::vector<uint8_t>& to, int64_t first, int64_t at, int64_t code) {
      to[static_cast<size_t>(first + at * row.bits / 8)] |=
          static_cast<uint8_t>(code << (at * row.bits % 8));
    };
    const int64_t codes = int64_t{1} << row.bits;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t b = 0; b < blocks; ++b) {
        const auto at = static_cast<size_t>(i * blocks + b);
        const int64_t zero = row.zeros ? (i + 3 * b) % codes : codes / 2;
        put(zero_codes, i * zero_bytes, b, zero);
        scales[at] = 0.01f * static_cast<float>(1 + (i + b) % 5);
        zeros[at] = static_cast<float>(zero);
      }
      for (int64_t c = 0; c < k; ++c) {
        const auto at = static_cast<size_t>(i * blocks + c / row.block);
        const int64_t code = (5 * c + 3 * i) % codes;
        put(bytes, i * row_bytes, c, code);
        values[static_cast<size_t>(c * n + i)] =
            (static_cast<float>(code) - zeros[at]) * scales[at];
      }
    }
    floats.set_floats(name, dims, values);
    integers.set(name, {n, blocks, row_bytes / blocks}, ElementType::kUint8, bytes);
    integers.set_floats("w_scale", {n * blocks}, scales);
    node.op_type = "MatMulNBits";
    node.domain = "com.microsoft";
    node.inputs = {node.inputs[0], name, "w_scale"};
    node.attributes = {integer("K", k), integer("N", n), integer("bits", row.bits),
                       integer("block_size", row.block)};
    if (!row.zeros) return;
    node.inputs.emplace_back("w_zeros");
    if (row.packed) {
      integers.set("w_zeros", {n * zero_bytes}, ElementType::kUint8, zero_codes);
    } else {
      integers.set_floats("w_zeros", {n, blocks}, zeros);
    }
  }

  NodeProto& node() { return integers.maker(output); }
};

TEST(ImportFusedIntegers, WeightsOfAFewBitsInBlocks) {
  // Of 32 columns: whole blocks of an even and an odd number, and one that goes on behind them.
  for (const int bits : {2, 4, 8}) {
    for (const int64_t block : {8, 12, 16, 32, 64}) {
      SCOPED_TRACE(cat(bits, " bits in blocks of ", block));
      BitsPair({bits, block, false}).expect_equal();
      BitsPair({bits, block, true, true}).expect_equal();
      BitsPair({bits, block, true, false}).expect_equal();
    }
  }
}

TEST(ImportFusedIntegers, WeightsOfAFewBitsThatAreNotUnderstood) {
  const auto refused = [](std::string_view why, void (*change)(BitsPair&)) {
    BitsPair pair({4, 16, true, true});
    change(pair);
    expect_refused(pair.integers.model, cat("(com.microsoft.MatMulNBits): ", why));
  };
  refused("bits is 3; 2, 4 and 8 are accepted",
          [](BitsPair& pair) { pair.node().attributes[2].integer = 3; });
  refused("K is 32, N 32, block_size 0;",
          [](BitsPair& pair) { pair.node().attributes[3].integer = 0; });
  refused("\"w_scale\": scales of [32, 1] constants are expected",
          [](BitsPair& pair) { pair.node().attributes[3].integer = 32; });
  refused("\"short\": bytes of zero points of [32, 1] constants are expected", [](BitsPair& pair) {
    pair.integers.set("short", {3}, ElementType::kUint8, std::vector<uint8_t>(3));
    pair.node().inputs[3] = "short";
  });
  // Sizes whose products are no 64-bit numbers.
  for (size_t size : {0, 1, 3}) {
    BitsPair pair({4, 16, true, true});
    pair.node().attributes[size].integer = INT64_MAX;
    expect_refused(pair.integers.model, "numbers of 1 to 2147483647 and blocks of whole bytes");
  }
  BitsPair rows({4, 16, true, true});
  rows.node().attributes[1].integer = INT32_MAX;
  expect_refused(rows.integers.model, "bytes of a weight of [2147483647, 2, 8] constants");
  refused("g_idx is given", [](BitsPair& pair) { pair.node().inputs.emplace_back("w_zeros"); });
  refused("weight_prepacked is set; 0 is accepted",
          [](BitsPair& pair) { pair.node().attributes.push_back(integer("weight_prepacked", 1)); });
}

// DequantizeLinear as ONNX has it since opset 21: along rows or columns.
TEST(ImportFusedIntegers, IntegersOfFourBitsInBlocks) {
  for (const int64_t axis : {0, 1}) {
    for (const ElementType type : {ElementType::kInt4, ElementType::kUint4}) {
      Pair pair;
      NodeProto& node = pair.integers.maker(pair.output);
      const std::string name = node.inputs[1];
      std::vector<uint8_t> bytes;
      std::vector<float> values;
      std::vector<float> scales;
      constexpr int64_t kSize = 32;
      constexpr int64_t kBlock = 12;  // 12, 12, 8
      const int64_t lines = axis == 0 ? kSize : 3;
      for (int64_t i = 0; i < 3 * kSize; ++i) scales.push_back(0.01f * static_cast<float>(i + 1));
      for (int64_t i = 0; i < kSize * kSize; ++i) {
        const int64_t code = (i + i / kSize) % 16;
        if (i % 2 == 0) bytes.push_back(0);
        bytes.back() |= static_cast<uint8_t>(code << (i % 2 * 4));
        const int64_t row = i / kSize / (axis == 0 ? kBlock : 1);
        const int64_t column = i % kSize / (axis == 1 ? kBlock : 1);
        const int64_t value = type == ElementType::kInt4 && code > 7 ? code - 16 : code;
        values.push_back(static_cast<float>(value) *
                         scales[static_cast<size_t>(row * lines + column)]);
      }
      pair.floats.set_floats(name, {kSize, kSize}, values);
      pair.integers.set(name, {kSize, kSize}, type, bytes);
      pair.integers.set_floats(
          "w_scale", axis == 0 ? std::vector<int64_t>{3, kSize} : std::vector<int64_t>{kSize, 3},
          scales);
      const NodeProto floats = make_node("DequantizeLinear", {name, "w_scale"}, "w_floats",
                                         {integer("axis", axis), integer("block_size", kBlock)});
      node.inputs[1] = "w_floats";
      pair.integers.insert(pair.output, floats);
      pair.expect_equal();
      // The pair of ONNX Runtime's own says the same.
      pair.integers.maker("w_floats").domain = "com.microsoft";
      pair.expect_equal();
      pair.integers.maker("w_floats").attributes[1].integer = 16;
      expect_refused(pair.integers.model, "accepted are one, and one for each block of 16: [");
      pair.integers.maker("w_floats").attributes[1].integer = INT64_MAX;
      expect_refused(pair.integers.model, cat("one for each block of ", INT64_MAX, ": ["));
    }
  }
}

}  // namespace
}  // namespace tamis::onnx
