// The engine of marks that no integer kernel runs.
#pragma once

#include "engine/engine.h"

namespace tamis::engines::simulate {

/// Runs any graph in float, what its marks make of the operands included, on the CPU engine.
[[nodiscard]] engine::EngineRow row();

}  // namespace tamis::engines::simulate
