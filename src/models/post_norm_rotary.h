// The encoder that NomicBERT, gte and Jina v3 share: BERT's order of layers with rotary positions,
// module by module under transformers' names.
//
// Is: embeddings and layers. Is not: a family. May use: graph, formats.
// Source: transformers, models/gte/modeling_gte.py, models/nomic_bert/modeling_nomic_bert.py,
// models/jina_embeddings_v3/modeling_jina_embeddings_v3.py
#pragma once

#include <optional>

#include "models/builder.h"
#include "models/experts.h"
#include "models/rotary.h"

namespace tamis::models {

/// What stands between the norms of a layer.
enum class FeedForward : uint8_t {
  kGated,  ///< gate_proj, up_proj, down_proj
  kPlain,  ///< fc1, fc2
};

/// What the families differ in.
struct PostNormRotary {
  RotaryPositions positions;
  Bias attention_bias = Bias::kNone;  ///< of queries, keys, values and what follows the attention
  Bias up_bias = Bias::kNone;         ///< of the feed-forward layer's first product or two
  Bias down_bias = Bias::kNone;       ///< and of its last
  FeedForward feed_forward = FeedForward::kGated;
  std::optional<Activation> activation = {};  ///< nothing: the config's hidden_act
  Experts experts = {};                       ///< in place of the feed-forward layer of some layers
};

/// Words, segments where there are any, norm, layers: [T, hidden]. Packed projections are found
/// under "self_attn.qkv_proj" and "mlp.up_gate_proj", or what the family's spellings make of them.
graph::ValueId post_norm_rotary_encoder(Builder& b, const PostNormRotary& options);

}  // namespace tamis::models
