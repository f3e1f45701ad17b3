#include "graph/op.h"

namespace tamis::graph {

namespace {

constexpr std::string_view kOperandNames[] = {
#define X(operand, name) name,
#include "graph/operands.inc"
#undef X
};

constexpr size_t index_of_operand(std::string_view name) {
  for (size_t i = 0; i < std::size(kOperandNames); ++i) {
    if (kOperandNames[i] == name) return i;
  }
  return std::size(kOperandNames);
}

// A row of ops.inc: an operand without a row in operands.inc does not compile.
consteval OpInfo row(OpKind kind, std::string_view name, std::string_view operands) {
  OpInfo info{kind, name, {}, 0};
  while (!operands.empty()) {
    const size_t end = operands.find(' ');
    std::string_view word = operands.substr(0, end);
    operands = end == std::string_view::npos ? std::string_view() : operands.substr(end + 1);
    OperandSlot& slot = info.slots[info.count++];
    slot.optional = word.ends_with('?');
    if (slot.optional) word.remove_suffix(1);
    const size_t index = index_of_operand(word);
    if (index == std::size(kOperandNames)) throw "ops.inc names an operand without a row";
    slot.operand = static_cast<Operand>(index);
  }
  return info;
}

constexpr OpInfo kOps[] = {
#define X(kind, attributes, operands) row(OpKind::k##kind, #kind, operands),
#include "graph/ops.inc"
#undef X
};

}  // namespace

std::string_view operand_name(Operand operand) {
  return kOperandNames[static_cast<size_t>(operand)];
}

std::optional<Operand> operand_from_name(std::string_view name) {
  const size_t index = index_of_operand(name);
  if (index == std::size(kOperandNames)) return std::nullopt;
  return static_cast<Operand>(index);
}

const OpInfo& op_info(OpKind kind) { return kOps[static_cast<size_t>(kind)]; }

std::optional<OpKind> op_from_name(std::string_view name) {
  for (const OpInfo& op : kOps) {
    if (op.name == name) return op.kind;
  }
  return std::nullopt;
}

}  // namespace tamis::graph
