// MatMul in integers, where its marks are on.
#pragma once

#include "runtime/lowering.h"

namespace tamis::runtime {

/// Whether the marks on the node's input and weight ask for integers, and the plan does not merely
/// simulate them.
[[nodiscard]] bool is_quantized_matmul(const graph::Node& node, const Lowering& lowering);

/// The step of such a node. Throws Error{kUnsupported} for a scheme that the integer kernels do not
/// run: per-token u8 beside per-channel s8 is what they do.
[[nodiscard]] std::unique_ptr<Step> lower_matmul_s8(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::runtime
