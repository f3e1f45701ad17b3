// Cosines and sines of rotary positions, told by their values in every probe.
//
// Is: the frequencies that they follow. Is not: a scaling rule, which has made them. May use:
// onnx/probe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "onnx/probe.h"

namespace tamis::onnx {

/// Which columns of a head turn together.
enum class RotaryPairs : uint8_t {
  kHalves,     ///< those that lie half a head apart
  kNeighbors,  ///< 2i and 2i + 1
};

struct RotaryRule {
  std::vector<float> frequencies;  ///< of pairs of columns
  float scale = 1;                 ///< of cosines and sines
};

/// The rule of cosines and sines [.., tokens, head size], whose other axes are 1 or sequences:
/// scale * cos(place * frequency), the same for both columns of a pair. Nothing: they follow none.
[[nodiscard]] std::optional<RotaryRule> rotary_rule(std::span<const Array> cosines,
                                                    std::span<const Array> sines,
                                                    std::span<const Probe> probes,
                                                    RotaryPairs pairs);

}  // namespace tamis::onnx
