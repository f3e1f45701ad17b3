// MatMul with inputs and weights in bf16.
#pragma once

#include "runtime/lowering.h"

namespace tamis::runtime {

[[nodiscard]] std::unique_ptr<Step> lower_matmul_bf16(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::runtime
