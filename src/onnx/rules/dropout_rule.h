// Factors that embeddings have by the masks of their text, told by their values in every probe.
//
// Is: the rule of ESM-2's token dropout. Is not: the factors' arithmetic. May use: onnx/probe.
#pragma once

#include <optional>
#include <span>

#include "graph/attributes.h"
#include "onnx/probe.h"

namespace tamis::onnx {

/// The rule of factors that have one number for each token; what they say of padding does not
/// matter. Nothing: they follow none, or no probe holds the masked token.
[[nodiscard]] std::optional<graph::TokenDropoutAttributes> dropout_rule(
    std::span<const Array> factors, std::span<const Probe> probes);

}  // namespace tamis::onnx
