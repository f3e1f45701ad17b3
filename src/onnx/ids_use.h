// How far what the probes show of ids holds for ids that they lack.
//
// Is: what is left of input_ids in a value made of them. Is not: a rule (rules.h). May use:
// onnx/known.
#pragma once

#include <algorithm>
#include <span>

#include "onnx/known.h"

namespace tamis::onnx {

struct Step;

/// Of what the step makes of known inputs.
[[nodiscard]] IdsUse ids_use_of(const Step& step, std::span<const Probe> probes);

/// Of two together.
[[nodiscard]] inline IdsUse joined(IdsUse a, IdsUse b) { return std::max(a, b); }

}  // namespace tamis::onnx
