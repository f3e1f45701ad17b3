// Cosines and sines of rotary positions, told by their values in every probe.
//
// Is: the frequencies that they follow. Is not: a scaling rule, which has made them. May use:
// onnx/probe.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "onnx/probe.h"

namespace tamis::onnx {

struct RotaryRule {
  std::vector<float> frequencies;  ///< of pairs of columns that lie half a head apart
  float scale = 1;                 ///< of cosines and sines
};

/// The rule of cosines and sines [.., tokens, head size], whose other axes are 1 or sequences:
/// scale * cos(place * frequency), the same in both halves of a head. Nothing: they follow none.
[[nodiscard]] std::optional<RotaryRule> rotary_rule(std::span<const Array> cosines,
                                                    std::span<const Array> sines,
                                                    std::span<const Probe> probes);

}  // namespace tamis::onnx
