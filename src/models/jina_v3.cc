// Jina embeddings v3 as transformers' class has it: XLM-R with rotary positions. The adapters for
// its tasks are LoRA adapters of PEFT beside it. Source: transformers,
// models/jina_embeddings_v3/modeling_jina_embeddings_v3.py
#include "base/error.h"
#include "models/bert_encoder.h"
#include "models/post_norm_rotary.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr Respelling kOlder[] = {
    {"embeddings.LayerNorm", "emb_ln"},    {"layers.", "encoder.layers."},
    {"self_attn.qkv_proj", "mixer.Wqkv"},  {"self_attn.o_proj", "mixer.out_proj"},
    {"post_attention_layernorm", "norm1"}, {"post_mlp_layernorm", "norm2"},
};

ValueId encoder(Builder& b) {
  const ModelConfig& config = b.config();
  const int64_t size = config.hidden_size / config.num_attention_heads;
  const std::string_view key =
      config.fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  PostNormRotary options;
  options.positions = read_rotary(config.fields.get(key), config.fields.what(key),
                                  config.fields.number("rope_theta", 20000, 1e-3, 1e12), size);
  options.attention_bias = Bias::kAdded;
  options.feed_forward = FeedForward::kPlain;
  return post_norm_rotary_encoder(b, options);
}

ValueId classifier(Builder& b, ValueId hidden) { return kRoberta.classifier(b, hidden); }
ValueId masked_lm(Builder& b, ValueId hidden) { return kRoberta.masked_lm(b, hidden); }
int64_t max_positions(const ModelConfig& config) { return config.max_position_embeddings; }

}  // namespace

constinit const FamilyParts kJinaV3 = {
    .encoder = encoder,
    .classifier = classifier,
    .pooler = bert_pooler,
    .masked_lm = masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
    .spellings = kOlder,
};

}  // namespace tamis::models
