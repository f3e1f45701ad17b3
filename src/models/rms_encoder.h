// Llama's layers: RMS norms before attention and feed-forward layer, rotary positions, shared keys,
// a gated unit; module by module under transformers' names.
//
// Is: the layers and the last norm. Is not: a family, or a choice of what a token sees. May use:
// graph, formats. Source: transformers, models/llama/modeling_llama.py
#pragma once

#include "models/builder.h"
#include "models/rotary.h"

namespace tamis::models {

/// What the families differ in.
struct RmsEncoder {
  RotaryPositions positions;
  int64_t head_size = 0;
  int64_t kv_heads = 0;     ///< divides the config's heads
  int64_t keys_after = -1;  ///< of a token's own that it sees; 0: causal, -1: all
  double epsilon = 1e-6;
  Bias attention_bias = Bias::kNone;  ///< of queries, keys, values and what follows the attention
  Bias mlp_bias = Bias::kNone;
};

/// Keys that Llama's kin share: num_key_value_heads, head_dim, rms_norm_eps, attention_bias,
/// mlp_bias, rope_theta, rope_scaling and rope_parameters. Throws Error naming the key.
[[nodiscard]] RmsEncoder read_rms_encoder(const ModelConfig& config, double epsilon, double theta);

/// `embed_tokens`, `layers.0` and on, `norm`: [T, hidden].
graph::ValueId rms_encoder(Builder& b, const RmsEncoder& options);

}  // namespace tamis::models
