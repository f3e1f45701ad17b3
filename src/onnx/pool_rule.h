// The pooling that a sum of tokens is, told by the tokens' weights in every probe.
//
// Is: the closed list of weights that import understands. Is not: the arithmetic that made them.
// May use: graph, onnx/probe.
#pragma once

#include <optional>
#include <span>

#include "graph/attributes.h"
#include "onnx/probe.h"

namespace tamis::onnx {

/// The mode whose weights these are, [sequences, tokens] with any sizes of 1 around; nothing: it is
/// none's.
[[nodiscard]] std::optional<graph::PoolMode> pool_rule(std::span<const Array> weights,
                                                       std::span<const Probe> probes);

}  // namespace tamis::onnx
