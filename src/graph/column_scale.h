// What can take up a factor and a shift of each column of its rows.
#pragma once

#include "graph/graph.h"

namespace tamis::graph {

/// A LayerNormalization, alone or fused with the sum in front of it.
[[nodiscard]] constexpr bool is_layer_norm(OpKind op) {
  return op == OpKind::kLayerNormalization || op == OpKind::kSkipLayerNormalization ||
         op == OpKind::kEmbedLayerNormalization;
}

/// An activation, alone or fused with the product in front of it.
[[nodiscard]] inline bool is_activated(const Node& node) {
  if (node.op == OpKind::kActivation) return true;
  const auto* matmul = std::get_if<MatMulAttributes>(&node.attributes);
  return matmul != nullptr && matmul->activation != Activation::kNone &&
         !node.has(Operand::kResidual);
}

}  // namespace tamis::graph
