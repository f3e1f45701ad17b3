// Jina embeddings v3 as transformers' class has it: XLM-R with rotary positions. The adapters for
// its tasks are LoRA adapters of PEFT beside it. Source: transformers,
// models/jina_embeddings_v3/modeling_jina_embeddings_v3.py
#include "models/bert_encoder.h"
#include "models/post_norm_rotary.h"
#include "models/roberta_heads.h"

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
  PostNormRotary options;
  options.positions = read_rotary(config, rope_theta(config.fields, 20000), size);
  options.attention_bias = Bias::kAdded;
  options.up_bias = options.down_bias = Bias::kAdded;
  options.feed_forward = FeedForward::kPlain;
  return post_norm_rotary_encoder(b, options);
}

}  // namespace

constinit const FamilyParts kJinaV3 = {
    .encoder = encoder,
    .classifier = roberta_classifier,
    .pooler = bert_pooler,
    .masked_lm = roberta_masked_lm,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
    .spellings = kOlder,
};

}  // namespace tamis::models
