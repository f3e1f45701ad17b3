// MatMul in integers, where its marks are on.
#pragma once

#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

/// The step of a MatMul whose marks are on. Throws Error{kUnsupported} for a scheme that the
/// integer kernels do not run: per-token u8 beside per-channel s8 is what they do.
[[nodiscard]] std::unique_ptr<Step> lower_matmul_s8(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::engines::cpu
