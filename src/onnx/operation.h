// A node of an ONNX graph while it is read: its attributes, and complaints that name it.
//
// Is: what evaluation and import both ask of a node. Is not: its meaning. May use: formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

/// Whether the domain is ONNX's own, which has two spellings.
[[nodiscard]] inline bool is_own_domain(std::string_view domain) {
  return domain.empty() || domain == "ai.onnx";
}

/// Whether it is an operator of ONNX's own. QuantizeLinear and DequantizeLinear of com.microsoft,
/// which were there for 16 and 4 bits before ONNX had these, say the same and count as such.
[[nodiscard]] inline bool is_own_operator(const NodeProto& node) {
  const bool pair = node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear";
  return is_own_domain(node.domain) || (pair && node.domain == "com.microsoft");
}

/// Borrows the node.
class Operation {
 public:
  Operation(const NodeProto& node, size_t index, int64_t opset, std::string_view source)
      : node_(node), index_(index), opset_(opset), source_(source) {}

  [[nodiscard]] const NodeProto& node() const { return node_; }
  [[nodiscard]] const std::string& type() const { return node_.op_type; }
  /// Of the node, in the file.
  [[nodiscard]] size_t index() const { return index_; }
  /// Of ai.onnx.
  [[nodiscard]] int64_t opset() const { return opset_; }

  [[nodiscard]] bool has(std::string_view attribute) const {
    return node_.attribute(attribute) != nullptr;
  }
  /// The attribute, or `otherwise` if it is absent. Throws Error{kCorruptData} for another kind.
  [[nodiscard]] int64_t integer(std::string_view attribute, int64_t otherwise) const;
  [[nodiscard]] double number(std::string_view attribute, double otherwise) const;
  [[nodiscard]] std::string text(std::string_view attribute, std::string_view otherwise) const;
  [[nodiscard]] std::vector<int64_t> integers(std::string_view attribute) const;

  /// `model.onnx: node 12 "/layer.0/Add" (Add)`
  [[nodiscard]] std::string label() const;
  /// Throws Error{kUnsupported}: the label, then the parts.
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, label(), ": ", parts...);
  }

 private:
  const AttributeProto* of_kind(std::string_view attribute, AttributeKind kind) const;

  const NodeProto& node_;
  size_t index_;
  int64_t opset_;
  std::string_view source_;
};

}  // namespace tamis::onnx
