// Helpers of this module's tests: attributes, nodes, and committed models to edit.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"
#include "formats/test_util.h"
#include "onnx/import_onnx.h"

namespace tamis::onnx {

/// Expects an import to fail with that code and a message that contains `part`.
inline void expect_refused(const ModelProto& model, std::string_view part,
                           ErrorCode code = ErrorCode::kUnsupported) {
  expect_error(code, part, [&] { (void)import_onnx(model, "m.onnx"); });
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

inline AttributeProto text(std::string name, std::string value) {
  AttributeProto attribute;
  attribute.name = std::move(name);
  attribute.kind = AttributeKind::kString;
  attribute.text = std::move(value);
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

/// BERT of two layers as torch's dynamo exporter writes it, opset 18, or another file of testdata,
/// for tests to change.
struct EditableModel {
  explicit EditableModel(const std::string& file = "bert-cls-dynamo-op18-eager-tf524.onnx")
      : model(read_onnx(std::filesystem::path(TAMIS_UNPACKED_TESTDATA) / "onnx" / file)) {}

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
  /// Puts a node behind all others.
  void append(NodeProto node) { model.graph.nodes.push_back(std::move(node)); }
  /// The one answer under that name.
  void answer(std::string_view output) {
    model.graph.outputs = {{std::string(output), ElementType::kFloat, {}, ""}};
  }
  /// A constant of floats in place of the initializer, or a further one.
  void set_floats(std::string_view name, std::vector<int64_t> dims, std::vector<float> values) {
    set(name, std::move(dims), ElementType::kFloat, std::move(values));
  }
  /// The same of INT64.
  void set_integers(std::string_view name, std::vector<int64_t> values) {
    const auto size = static_cast<int64_t>(values.size());
    set(name, {size}, ElementType::kInt64, std::move(values));
  }
  template <typename T>
  void set(std::string_view name, std::vector<int64_t> dims, ElementType type,
           std::vector<T> values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    TensorProto tensor;
    tensor.name = name;
    tensor.type = type;
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
