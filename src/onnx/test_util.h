// Helpers of this module's tests: errors by message, the small committed model, one edited node.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

/// Expects `action` to throw an Error of that code whose message contains `part`.
template <typename Action>
void expect_error(ErrorCode code, std::string_view part, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
        << error.what() << "\n  lacks: " << part;
    return;
  }
  ADD_FAILURE() << "no error, expected: " << part;
}

inline AttributeProto ints(std::string name, std::vector<int64_t> values) {
  AttributeProto attribute;
  attribute.name = std::move(name);
  attribute.kind = AttributeKind::kInts;
  attribute.integers = std::move(values);
  return attribute;
}

inline AttributeProto integer(std::string name, int64_t value) {
  AttributeProto attribute;
  attribute.name = std::move(name);
  attribute.kind = AttributeKind::kInt;
  attribute.integer = value;
  return attribute;
}

inline AttributeProto number(std::string name, float value) {
  AttributeProto attribute;
  attribute.name = std::move(name);
  attribute.kind = AttributeKind::kFloat;
  attribute.number = value;
  return attribute;
}

inline NodeProto make_node(std::string op, std::vector<std::string> inputs, std::string output,
                           std::vector<AttributeProto> attributes = {}) {
  NodeProto node;
  node.name = "test_" + op;
  node.op_type = std::move(op);
  node.inputs = std::move(inputs);
  node.outputs = {std::move(output)};
  node.attributes = std::move(attributes);
  return node;
}

/// BERT of two layers as torch's dynamo exporter writes it, opset 18, for tests to change.
struct EditableModel {
  EditableModel()
      : model(read_onnx(std::filesystem::path(TAMIS_TESTDATA) / "onnx" /
                        "bert-cls-dynamo-op18-eager-tf524.onnx")) {}

  /// The node that makes the value; the test ends if there is none.
  NodeProto& maker(std::string_view value) {
    for (NodeProto& node : model.graph.nodes) {
      if (node.outputs[0] == value) return node;
    }
    throw std::runtime_error("no node makes " + std::string(value));
  }
  /// Puts a node in front of the one that makes `before`.
  void insert(std::string_view before, NodeProto node) {
    const auto at = model.graph.nodes.begin() + (&maker(before) - model.graph.nodes.data());
    model.graph.nodes.insert(at, std::move(node));
  }
  /// A constant of floats in place of the initializer, or a further one.
  void set_floats(std::string_view name, std::vector<int64_t> dims, std::vector<float> values) {
    auto kept = std::make_shared<std::vector<float>>(std::move(values));
    TensorProto tensor;
    tensor.name = name;
    tensor.dims = std::move(dims);
    tensor.bytes = std::as_bytes(std::span(*kept));
    tensor.keeper = kept;
    for (TensorProto& initializer : model.graph.initializers) {
      if (initializer.name == name) {
        initializer = tensor;
        return;
      }
    }
    model.graph.initializers.push_back(tensor);
  }

  ModelProto model;
};

}  // namespace tamis::onnx
