// The closed list of operations and what each one reads.
//
// Is: the rows of ops.inc as an enum and a table. Is not: shape rules (infer_shapes.cc) or
// arithmetic (kernels). May use: base.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tamis::graph {

enum class OpKind : uint8_t {
#define X(kind, attributes, operands) k##kind,
#include "graph/ops.inc"
#undef X
};

/// What an op reads, by name.
enum class Operand : uint8_t {
#define X(operand, name) k##operand,
#include "graph/operands.inc"
#undef X
};

[[nodiscard]] std::string_view operand_name(Operand operand);
[[nodiscard]] std::optional<Operand> operand_from_name(std::string_view name);

/// One place in an op's list of inputs.
struct OperandSlot {
  Operand operand = Operand::kX;
  bool optional = false;
};

struct OpInfo {
  static constexpr size_t kMostOperands = 9;

  OpKind kind;
  std::string_view name;
  std::array<OperandSlot, kMostOperands> slots;
  size_t count = 0;

  [[nodiscard]] constexpr std::span<const OperandSlot> operands() const {
    return {slots.data(), count};
  }
  /// The operand's place among the inputs, nothing if the op has none of that name.
  [[nodiscard]] constexpr std::optional<size_t> place(Operand operand) const {
    for (size_t i = 0; i < count; ++i) {
      if (slots[i].operand == operand) return i;
    }
    return std::nullopt;
  }
};

[[nodiscard]] const OpInfo& op_info(OpKind kind);
[[nodiscard]] inline std::string_view op_name(OpKind kind) { return op_info(kind).name; }
[[nodiscard]] std::optional<OpKind> op_from_name(std::string_view name);

}  // namespace tamis::graph
