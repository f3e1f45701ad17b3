#include "graph/op.h"

namespace tamis::graph {

namespace {

constexpr OpInfo kOps[] = {
#define X(kind, attributes, least, most) {OpKind::k##kind, #kind, least, most},
#include "graph/ops.inc"
#undef X
};

}  // namespace

const OpInfo& op_info(OpKind kind) { return kOps[static_cast<size_t>(kind)]; }

std::optional<OpKind> op_from_name(std::string_view name) {
  for (const OpInfo& op : kOps) {
    if (op.name == name) return op.kind;
  }
  return std::nullopt;
}

}  // namespace tamis::graph
