// The closed list of operations and what each one takes.
//
// Is: the rows of ops.inc as an enum and a table. Is not: shape rules (infer_shapes.cc) or
// arithmetic (kernels). May use: base.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tamis::graph {

enum class OpKind : uint8_t {
#define X(kind, attributes, least, most) k##kind,
#include "graph/ops.inc"
#undef X
};

struct OpInfo {
  OpKind kind;
  std::string_view name;
  int least_inputs;
  int most_inputs;
};

[[nodiscard]] const OpInfo& op_info(OpKind kind);
[[nodiscard]] inline std::string_view op_name(OpKind kind) { return op_info(kind).name; }
[[nodiscard]] std::optional<OpKind> op_from_name(std::string_view name);

}  // namespace tamis::graph
