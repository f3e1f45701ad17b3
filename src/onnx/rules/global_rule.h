// Which tokens all others see, and which keys a query sees where there are such, told by masks.
//
// Is: the rules of graph::GlobalRule. Is not: a mask of windows alone (rules.h). May use: graph,
// onnx/known, kernels/reference.
#pragma once

#include <optional>
#include <span>

#include "onnx/known.h"
#include "onnx/rules/rules.h"

namespace tamis::onnx {

/// The rule and separator by which the values, [sequences, tokens] with any sizes of 1 around, are
/// not 0, told by what they depend on of the ids. Nothing: there is none, or there are several.
[[nodiscard]] std::optional<GlobalTokenRule> global_tokens_rule(std::span<const Array> chosen,
                                                                std::span<const Probe> probes,
                                                                IdsUse use);

/// The window, rule and separator of what is added to scores [sequences, heads, queries, keys]: 0
/// where a key is in the window or one that all see, at most kMaskLimit elsewhere. Nothing: as
/// above.
[[nodiscard]] std::optional<MaskRule> global_mask_rule(std::span<const Array> added,
                                                       std::span<const Probe> probes, IdsUse use);

/// The places of a sequence's tokens that are the rule's.
[[nodiscard]] std::vector<int64_t> global_places(const GlobalTokenRule& rule, const Probe& probe,
                                                 int64_t sequence);

/// Every rule that a value which depends so on the ids may follow.
[[nodiscard]] std::vector<GlobalTokenRule> global_candidates(std::span<const Probe> probes,
                                                             IdsUse use);

}  // namespace tamis::onnx
