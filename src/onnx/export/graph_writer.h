// An ONNX graph under construction.
//
// Is: nodes under unused names, and constants in the file's float type. Is not: what an op of ours
// becomes (export_ops.inc). May use: formats.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

[[nodiscard]] AttributeProto integer_attribute(std::string_view name, int64_t value);
[[nodiscard]] AttributeProto list_attribute(std::string_view name, std::vector<int64_t> values);
[[nodiscard]] AttributeProto number_attribute(std::string_view name, float value);

/// "/bert/encoder/layer.0/output" of "bert.encoder.layer.0.output": numbers stay with their list.
[[nodiscard]] std::string path_of(std::string_view scope);

class GraphWriter {
 public:
  /// `floats`: kFloat, kFloat16 or kBfloat16. `opset`: of the operators without a domain.
  GraphWriter(ElementType floats, int64_t opset);

  [[nodiscard]] ModelProto& model() { return model_; }
  [[nodiscard]] ElementType floats() const { return floats_; }

  /// A node; the name of its output.
  std::string add(std::string_view scope, std::string_view op, std::vector<std::string> inputs,
                  std::vector<AttributeProto> attributes = {});
  std::string cast(std::string_view scope, const std::string& x, ElementType to);
  /// A value of the file's float type in float32, and back.
  std::string widen(std::string_view scope, const std::string& x);
  std::string narrow(std::string_view scope, const std::string& x);
  /// ReduceMean and its like over one axis.
  std::string reduce(std::string_view scope, std::string_view op, const std::string& x,
                     int64_t axis, bool keep);
  /// Columns [first, end) of the last axis.
  std::string slice(std::string_view scope, const std::string& x, int64_t first, int64_t end);

  /// A constant under its own name, written once; another one of that name is a fault of the
  /// caller's.
  template <typename T>
  std::string values(std::string name, const std::vector<int64_t>& dims, ElementType type,
                     std::vector<T> values) {
    if (is_written(name, dims, type, std::as_bytes(std::span(values)))) return name;
    const auto kept = std::make_shared<const std::vector<T>>(std::move(values));
    return tensor(std::move(name), dims, type, std::as_bytes(std::span(*kept)), kept);
  }
  /// The name, or with a number behind it where a constant has that already.
  [[nodiscard]] std::string unused(const std::string& name) const;
  /// Floats in the file's float type. Throws Error{kUnsupported} for what half precision cannot
  /// hold.
  std::string numbers(const std::string& name, const std::vector<int64_t>& dims,
                      std::span<const float> values);
  std::string number(double value);
  /// A float32, whatever the file's float type is.
  std::string wide_number(double value);
  std::string integer(int64_t value);
  std::string list(const std::vector<int64_t>& values);
  /// A tensor of ours: floats in the file's float type, or in float32 with `wide`.
  std::string constant(const std::string& name, const std::shared_ptr<const Tensor>& tensor,
                       bool wide = false);

 private:
  std::string fresh(std::string_view path);
  /// Whether the constant is there; checks that it is the same.
  [[nodiscard]] bool is_written(const std::string& name, const std::vector<int64_t>& dims,
                                ElementType type, std::span<const std::byte> bytes) const;
  std::string tensor(std::string name, std::vector<int64_t> dims, ElementType type,
                     std::span<const std::byte> bytes, std::shared_ptr<const void> keeper);

  ElementType floats_;
  int64_t opset_;
  ModelProto model_;
  std::unordered_map<std::string, int> names_;
  std::unordered_map<std::string, size_t> constants_;  // places among the initializers
};

}  // namespace tamis::onnx
