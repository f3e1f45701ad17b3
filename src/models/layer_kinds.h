// Layers of two kinds: those that see all tokens and those that see a window.
//
// Is: which layer is which, and what a kind has of its own. Is not: a layer. May use: graph,
// formats. Source: transformers, configuration_utils.py (layer_types)
#pragma once

#include <cstdint>
#include <vector>

#include "models/builder.h"
#include "models/rotary.h"

namespace tamis::models {

/// Layers of one kind.
struct LayerKind {
  RotaryPositions positions;
  int64_t before = -1;  ///< tokens before its own that a token sees; -1: all
  int64_t after = -1;   ///< and behind; 0: causal, -1: all
};

/// By layer, whether it slides: as the file's layer_types says, or `otherwise` where the file has
/// none. Throws Error naming the key: kCorruptData (no array of num_hidden_layers names),
/// kUnsupported (a name other than full_attention and sliding_attention).
[[nodiscard]] std::vector<bool> read_sliding_layers(const ModelConfig& config,
                                                    std::vector<bool> otherwise);

inline constexpr int64_t kMostWindow = 1 << 20;  ///< tokens of a window

}  // namespace tamis::models
