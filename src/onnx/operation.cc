#include "onnx/operation.h"

#include "base/json.h"

namespace tamis::onnx {

const AttributeProto* Operation::of_kind(std::string_view attribute, AttributeKind kind) const {
  const AttributeProto* found = node_.attribute(attribute);
  if (found == nullptr || found->kind == kind) return found;
  fail(ErrorCode::kCorruptData, label(), ": attribute \"", attribute, "\" is of kind ",
       static_cast<int>(found->kind), ", not ", static_cast<int>(kind));
}

int64_t Operation::integer(std::string_view attribute, int64_t otherwise) const {
  const AttributeProto* found = of_kind(attribute, AttributeKind::kInt);
  return found == nullptr ? otherwise : found->integer;
}

double Operation::number(std::string_view attribute, double otherwise) const {
  const AttributeProto* found = of_kind(attribute, AttributeKind::kFloat);
  return found == nullptr ? otherwise : static_cast<double>(found->number);
}

std::string Operation::text(std::string_view attribute, std::string_view otherwise) const {
  const AttributeProto* found = of_kind(attribute, AttributeKind::kString);
  return found == nullptr ? std::string(otherwise) : found->text;
}

std::vector<int64_t> Operation::integers(std::string_view attribute) const {
  const AttributeProto* found = of_kind(attribute, AttributeKind::kInts);
  return found == nullptr ? std::vector<int64_t>() : found->integers;
}

std::string Operation::label() const {
  constexpr size_t kShown = 200;
  std::string text = cat(source_, ": node ", index_);
  if (!node_.name.empty()) {
    text += cat(" ", json_quote(std::string_view(node_.name).substr(0, kShown)));
  }
  return text + cat(" (", is_own_domain(node_.domain) ? "" : node_.domain + ".",
                    std::string_view(node_.op_type).substr(0, kShown), ")");
}

}  // namespace tamis::onnx
