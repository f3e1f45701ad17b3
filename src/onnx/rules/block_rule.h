// Attention between blocks of tokens, told by what is added to scores.
//
// Is: the rule of graph::AttentionAttributes::block_size. Is not: a mask of windows (rules.h). May
// use: graph, kernels/reference.
#pragma once

#include <optional>
#include <span>

#include "onnx/rules/rules.h"

namespace tamis::onnx {

/// The size of blocks and the number of random ones of what is added to scores [sequences, heads,
/// queries, keys]: 0, or the gain of the first block's keys, where a key is seen, at most
/// kMaskLimit elsewhere. Nothing: it does not follow blocks, or the longest probe is too short to
/// show it.
[[nodiscard]] std::optional<MaskRule> block_mask_rule(std::span<const Array> added,
                                                      std::span<const Probe> probes);

}  // namespace tamis::onnx
