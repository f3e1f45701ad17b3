// One broken rule at a time, in a file that keeps them all.
#include "onnx/check_tensorrt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

// q = x through integers; y = q * weight + bias; z = LayerNormalization(y + x).
struct QuantizedLayer : EditableModel {
  QuantizedLayer() {
    model = ModelProto{};
    model.opsets = {{"", 19}};
    model.graph.inputs = {{"x", ElementType::kFloat16, {}, ""}};
    set("zero", {}, ElementType::kInt8, std::vector<int8_t>{0});
    set_half("scale", {}, {0x2000});  // 2^-7
    set_half("w_scale", {3}, {0x2000, 0x2400, 0x2000});
    set("w", {2, 3}, ElementType::kInt8, std::vector<int8_t>{1, 2, 3, 4, 5, 6});
    set("w_zero", {3}, ElementType::kInt8, std::vector<int8_t>{0, 0, 0});
    set_half("bias", {3}, {0x3c00, 0, 0});
    set_half("gamma", {3}, {0x3c00, 0x3c00, 0x3c00});
    append(make_node("QuantizeLinear", {"x", "scale", "zero"}, "x_q"));
    append(make_node("DequantizeLinear", {"x_q", "scale", "zero"}, "x_dq"));
    append(make_node("DequantizeLinear", {"w", "w_scale", "w_zero"}, "w_dq", {integer("axis", 1)}));
    append(make_node("MatMul", {"x_dq", "w_dq"}, "product"));
    append(make_node("Add", {"product", "bias"}, "y"));
    append(make_node("LayerNormalization", {"y", "gamma"}, "z", {number("epsilon", 1e-12f)}));
    answer("z");
  }
  void set_half(std::string_view name, std::vector<int64_t> dims, std::vector<uint16_t> values) {
    set(name, std::move(dims), ElementType::kFloat16, std::move(values));
  }
  NodeProto& node(size_t i) { return model.graph.nodes[i]; }
};

std::string rules_of(const ModelProto& model) {
  std::string rules;
  for (const Finding& finding : check_tensorrt(model)) {
    EXPECT_FALSE(finding.where.empty());
    EXPECT_FALSE(finding.fix.empty());
    rules += finding.rule + (finding.severity == Severity::kError ? "! " : " ");
  }
  return rules;
}

TEST(CheckTensorRt, FindsNothingInAFileThatKeepsTheRules) {
  EXPECT_EQ(rules_of(QuantizedLayer().model), "");
}

struct Row {
  const char* rules;
  void (*change)(QuantizedLayer&);
};
const Row kRows[] = {
    {"zero-point! zero-point! ",
     [](QuantizedLayer& m) { m.set("zero", {}, ElementType::kInt8, std::vector<int8_t>{3}); }},
    {"unsigned! unsigned! ",
     [](QuantizedLayer& m) { m.set("zero", {}, ElementType::kUint8, std::vector<uint8_t>{128}); }},
    {"unsigned! ", [](QuantizedLayer& m) { m.node(0).inputs.resize(2); }},
    {"scale! scale! ", [](QuantizedLayer& m) { m.set_half("scale", {}, {0}); }},
    {"scale! ", [](QuantizedLayer& m) { m.node(0).inputs[1] = "x"; }},
    {"scale! scale! ", [](QuantizedLayer& m) { m.set_half("scale", {}, {0x7e00}); }},  // NaN
    {"infinite-scale! infinite-scale! ",
     [](QuantizedLayer& m) { m.set_half("scale", {}, {0x7c00}); }},
    {"infinite-scale! ",
     [](QuantizedLayer& m) {
       m.set_half("w_scale", {3}, {0x2000, 0x7c00, 0x2000});
     }},
    {"per-channel! ",
     [](QuantizedLayer& m) {
       m.set_half("scale", {2}, {0x2000, 0x2400});
     }},
    {"weight-axis! ", [](QuantizedLayer& m) { m.node(2).attributes[0].integer = 0; }},
    {"one-sided! ", [](QuantizedLayer& m) { m.node(3).inputs[0] = "x"; }},
    {"infinite-mask! ",
     [](QuantizedLayer& m) {
       m.set_half("gamma", {3}, {0xfc00, 0, 0});
     }},
    {"not-finite! ",
     [](QuantizedLayer& m) {
       m.set_half("gamma", {3}, {0x7e00, 0, 0});
     }},
    {"zero-epsilon! ", [](QuantizedLayer& m) { m.node(5).attributes[0].number = 0; }},
    {"opset! opset! opset! ", [](QuantizedLayer& m) { m.model.opsets[0].version = 17; }},
    {"operator! ", [](QuantizedLayer& m) { m.node(5).domain = "com.microsoft"; }},
    {"operator! ", [](QuantizedLayer& m) { m.node(5).op_type = "MatMulInteger"; }},
    {"quantized-bias! ",
     [](QuantizedLayer& m) {
       m.set("int_bias", {3}, ElementType::kInt32, std::vector<int32_t>{1, 2, 3});
       m.insert("y", make_node("DequantizeLinear", {"int_bias", "w_scale"}, "b"));
       m.maker("y").inputs[1] = "b";
     }},
    {"before-bias! ",
     [](QuantizedLayer& m) {
       m.insert("y", make_node("QuantizeLinear", {"product", "scale", "zero"}, "p_q"));
       m.insert("y", make_node("DequantizeLinear", {"p_q", "scale", "zero"}, "p"));
       m.maker("y").inputs[0] = "p";
     }},
    {"before-norm ",
     [](QuantizedLayer& m) {
       m.insert("z", make_node("QuantizeLinear", {"y", "scale", "zero"}, "y_q"));
       m.insert("z", make_node("DequantizeLinear", {"y_q", "scale", "zero"}, "y_dq"));
       m.maker("z").inputs[0] = "y_dq";
     }},
    {"pair! ", [](QuantizedLayer& m) { m.append(make_node("Relu", {"x_q"}, "r")); }},
    {"fan-out ",
     [](QuantizedLayer& m) {
       m.set_half("other", {}, {0x2400});
       m.append(make_node("QuantizeLinear", {"x", "other", "zero"}, "other_q"));
     }},
    {"residual ",
     [](QuantizedLayer& m) {
       m.insert("z", make_node("QuantizeLinear", {"y", "scale", "zero"}, "y_q"));
       m.insert("z", make_node("DequantizeLinear", {"y_q", "scale", "zero"}, "y_dq"));
       m.insert("z", make_node("Add", {"y_dq", "x"}, "sum"));
       m.maker("z").inputs[0] = "sum";
     }},
    {"infinite-mask! ",
     [](QuantizedLayer& m) {
       m.set_floats("low", {}, {-3.4e38f});
       m.append(make_node("Cast", {"low"}, "mask", {integer("to", 10)}));
     }},
    {"unsigned-bytes! ",
     [](QuantizedLayer& m) { m.append(make_node("Cast", {"x"}, "bytes", {integer("to", 2)})); }},
    {"float-type ",
     [](QuantizedLayer& m) {
       m.set_floats("scale", {}, {0.01f});
       m.set_floats("w_scale", {3}, {0.01f, 0.02f, 0.01f});
     }},
};

TEST(CheckTensorRt, NamesEachBrokenRule) {
  for (const Row& row : kRows) {
    QuantizedLayer edited;
    row.change(edited);
    EXPECT_EQ(rules_of(edited.model), row.rules);
  }
}

// Scores, a mask, a softmax, and a second product of probabilities.
struct QuantizedAttention : QuantizedLayer {
  QuantizedAttention() {
    model.graph.nodes.clear();
    set_half("mask", {}, {0});
    set_half("p_scale", {}, {0x2008});  // 1/127
    for (const char* name : {"q", "k", "v"}) {
      const std::string x = name;
      append(make_node("Relu", {"x"}, x));
      append(make_node("QuantizeLinear", {x, "scale", "zero"}, x + "_q"));
      append(make_node("DequantizeLinear", {x + "_q", "scale", "zero"}, x + "_dq"));
    }
    append(make_node("MatMul", {"q_dq", "k_dq"}, "scores"));
    append(make_node("Add", {"scores", "mask"}, "masked"));
    append(make_node("Softmax", {"masked"}, "p"));
    append(make_node("QuantizeLinear", {"p", "p_scale", "zero"}, "p_q"));
    append(make_node("DequantizeLinear", {"p_q", "p_scale", "zero"}, "p_dq"));
    append(make_node("MatMul", {"p_dq", "v_dq"}, "context"));
    answer("context");
  }
};

TEST(CheckTensorRt, TakesAttentionWholeOrNotAtAll) {
  QuantizedAttention whole;
  EXPECT_EQ(rules_of(whole.model), "");
  QuantizedAttention none;
  none.maker("scores").inputs = {"q", "k"};
  none.maker("context").inputs = {"p", "v"};
  EXPECT_EQ(rules_of(none.model), "");
  QuantizedAttention half;
  half.maker("context").inputs = {"p", "v"};
  EXPECT_EQ(rules_of(half.model), "half-attention ");
  QuantizedAttention scale;
  scale.set_half("p_scale", {}, {0x2400});
  EXPECT_EQ(rules_of(scale.model), "probabilities ");
}

// DeBERTa's: queries times a table, of which each distance picks one, beside their keys.
TEST(CheckTensorRt, CountsProductsWithPositionsAsAttention) {
  for (const bool constant : {true, false}) {
    for (const bool integers : {true, false}) {
      QuantizedAttention edit;
      edit.set_half("table", {8, 8}, std::vector<uint16_t>(64, 0x3800));
      const std::string table = constant ? "table" : "positions";
      edit.insert("masked", make_node("Relu", {"table"}, "made"));
      edit.insert("masked", make_node("Add", {"made", "x"}, "positions"));
      edit.insert("masked", make_node("MatMul", {"q", table}, "by_place"));
      edit.insert("masked", make_node("GatherElements", {"by_place", "ids"}, "picked"));
      edit.insert("masked", make_node("Add", {"scores", "picked"}, "sum"));
      edit.maker("masked").inputs[0] = "sum";
      if (!integers) {
        edit.maker("scores").inputs = {"q", "k"};
        edit.maker("context").inputs = {"p", "v"};
      }
      EXPECT_EQ(rules_of(edit.model), integers ? "half-attention " : "") << constant;
    }
  }
}

// Nothing holds a file to the inputs that its operators have.
TEST(CheckTensorRt, TakesNodesThatLackInputsOrOutputs) {
  const size_t nodes = QuantizedLayer().model.graph.nodes.size();
  for (size_t i = 0; i < nodes; ++i) {
    QuantizedLayer layer;
    for (layer.node(i).outputs.clear(); !layer.node(i).inputs.empty();) {
      layer.node(i).inputs.pop_back();
      (void)check_tensorrt(layer.model);
    }
    QuantizedLayer other;
    while (!other.node(i).inputs.empty()) {
      other.node(i).inputs.pop_back();
      (void)check_tensorrt(other.model);
    }
  }
}

// Each node reads the one in front of it twice: looked at by paths they would be 2^60.
TEST(CheckTensorRt, LooksAtEachConstantOnce) {
  QuantizedLayer layer;
  std::string last = "bias";
  for (int i = 0; i < 60; ++i) {
    const std::string next = cat("r", i);
    layer.append(make_node("Reshape", {last, last}, next));
    last = next;
  }
  layer.append(make_node("Add", {"product", last}, "other"));
  EXPECT_EQ(rules_of(layer.model), "");
}

// What the finding itself proposes.
TEST(CheckTensorRt, TakesInfinityThatAWhereChooses) {
  QuantizedLayer layer;
  layer.set_half("low", {}, {0xfc00});
  EXPECT_EQ(rules_of(layer.model), "infinite-mask! ");
  layer.append(make_node("Where", {"keys", "y", "low"}, "masked"));
  EXPECT_EQ(rules_of(layer.model), "");
  layer.append(make_node("Mul", {"y", "low"}, "scaled"));
  EXPECT_EQ(rules_of(layer.model), "infinite-mask! ");
}

// As a scale and as a number it is two findings.
TEST(CheckTensorRt, TellsInfiniteScalesFromInfiniteMasks) {
  QuantizedLayer layer;
  layer.set_half("scale", {}, {0x7c00});
  layer.append(make_node("Add", {"y", "scale"}, "masked"));
  EXPECT_EQ(rules_of(layer.model), "infinite-mask! infinite-scale! infinite-scale! ");
}

// A file in which values make each other ends.
TEST(CheckTensorRt, EndsOnCyclicFiles) {
  QuantizedLayer edited;
  edited.append(make_node("Identity", {"b"}, "a"));
  edited.append(make_node("Identity", {"a"}, "b"));
  edited.append(make_node("MatMul", {"a", "b"}, "c"));
  edited.append(make_node("QuantizeLinear", {"a", "b", "c"}, "d"));
  EXPECT_EQ(rules_of(edited.model), "scale! zero-point! ");
}

}  // namespace
}  // namespace tamis::onnx
