// MatMul with inputs and weights in bf16.
#pragma once

#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

[[nodiscard]] std::unique_ptr<Step> lower_matmul_bf16(const graph::Node& node, Lowering& lowering);

}  // namespace tamis::engines::cpu
