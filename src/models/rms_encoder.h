// Llama's layers: RMS norms before attention and feed-forward layer, rotary positions, shared keys,
// a gated unit; module by module under transformers' names.
//
// Is: the layers and the last norm. Is not: a family, or a choice of what a token sees. May use:
// graph, formats. Source: transformers, models/llama/modeling_llama.py
#pragma once

#include <vector>

#include "models/builder.h"
#include "models/layer_kinds.h"

namespace tamis::models {

/// What the families differ in.
struct RmsEncoder {
  LayerKind full;
  LayerKind sliding;
  std::vector<bool> slides;  ///< by layer; empty: none
  int64_t head_size = 0;
  int64_t kv_heads = 0;  ///< divides the config's heads
  float scale = 1;       ///< of attention's scores
  double epsilon = 1e-6;
  Activation activation = Activation::kSilu;  ///< of the gate
  Bias projection_bias = Bias::kNone;         ///< of queries, keys and values
  Bias output_bias = Bias::kNone;             ///< of what follows the attention
  Bias mlp_bias = Bias::kNone;
  bool normalizes_heads = false;  ///< queries and keys, head by head: q_norm, k_norm
  /// Gemma's: norms multiply by 1 + weight, words by the root of hidden_size, and what attention
  /// and feed-forward layer give is normalized before it is added.
  bool is_gemma = false;
};

/// What a class takes where its file is silent.
struct RmsDefaults {
  double epsilon = 1e-6;
  int64_t kv_heads = 0;   ///< 0: as many as heads
  int64_t head_size = 0;  ///< 0: hidden_size / num_attention_heads
};

/// Keys that Llama's kin share: num_key_value_heads, head_dim, rms_norm_eps, attention_bias and
/// mlp_bias; positions are left out, and every token sees all others. Throws Error naming the key.
[[nodiscard]] RmsEncoder read_rms_encoder(const ModelConfig& config, const RmsDefaults& defaults);

/// `embed_tokens`, `layers.0` and on, `norm`: [T, hidden].
graph::ValueId rms_encoder(Builder& b, const RmsEncoder& options);

}  // namespace tamis::models
