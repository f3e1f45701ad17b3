// The pooling that a sum or a choice of tokens is, told by weights or places in every probe.
//
// Is: the closed list of those that import understands. Is not: the arithmetic that made them.
// May use: graph, onnx/probe.
#pragma once

#include <optional>
#include <span>

#include "graph/attributes.h"
#include "onnx/probe.h"

namespace tamis::onnx {

/// The pooling whose weights these are, [sequences, tokens] with any sizes of 1 around, NaN in
/// sequences without the token that is looked for; nothing: it is none's.
[[nodiscard]] std::optional<graph::PoolAttributes> pool_rule(std::span<const Array> weights,
                                                             std::span<const Probe> probes);

/// The pooling that takes the token at one place of each sequence, [sequences]: the first, the
/// last, the last of one id, -1 where a sequence has none, or the last whose id is not padding's;
/// nothing: other places.
[[nodiscard]] std::optional<graph::PoolAttributes> place_rule(std::span<const Array> places,
                                                              std::span<const Probe> probes);

}  // namespace tamis::onnx
