// gte (gte-base-en-v1.5, gte-multilingual-base and -reranker, arctic-embed-m-v2): BERT with rotary
// positions and gated feed-forward layers; "new" is the model_type of checkpoints that are older
// than transformers' class. Source: transformers, models/gte/modeling_gte.py
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "models/bert_encoder.h"
#include "models/post_norm_rotary.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr Respelling kOlder[] = {
    {"layers.", "encoder.layer."},           {"self_attn.", "attention."},
    {"post_attention_layernorm", "attn_ln"}, {"post_mlp_layernorm", "mlp_ln"},
    {"lm_head.layer_norm", "lm_head.norm"},
};

// "ntk" of the older files: a base `factor` times as large, and all waves factor^(2 / size) longer,
// whatever the length of the text.
RotaryPositions stretched(const ConfigFields& fields, double theta, int64_t size) {
  const JsonView scaling = fields.get("rope_scaling");
  if (!scaling.get("mixed_b").is_null()) {
    fields.refuse("rope_scaling.mixed_b", "", "ntk without it");
  }
  const std::string what = fields.what("rope_scaling.factor");
  const double factor = scaling.get("factor").as_double(what);
  if (!(factor >= 1 && factor <= 1e6)) {
    fail(ErrorCode::kCorruptData, what, " is ", factor, "; accepted are 1 to 1000000");
  }
  RotaryPositions positions;
  positions.frequencies = rotary_frequencies(theta * factor, size);
  const double stretch = std::pow(factor, 2.0 / static_cast<double>(size));
  for (float& frequency : positions.frequencies) frequency /= static_cast<float>(stretch);
  return positions;
}

RotaryPositions positions(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  const int64_t size = config.hidden_size / config.num_attention_heads;
  const double theta = rope_theta(fields, config.model_type == "new" ? 10000 : 160000);
  const JsonView type = fields.get("rope_scaling").get("type");
  if (type.is_string() && type.as_string("type") == "ntk") return stretched(fields, theta, size);
  return read_rotary(config, theta, size);
}

ValueId encoder(Builder& b) {
  return post_norm_rotary_encoder(b, {.positions = positions(b.config()),
                                      .attention_bias = Bias::kAdded,
                                      .down_bias = Bias::kAdded});
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  ValueId x = b.linear(hidden, "lm_head.dense", b.config().hidden_size);
  x = b.activation(x, Activation::kGelu, "lm_head");
  x = b.layer_norm(x, "lm_head.layer_norm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "lm_head.decoder.bias");
}

}  // namespace

constinit const FamilyParts kGte = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = masked_lm,
    .classifier_weights = {"classifier.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
    .spellings = kOlder,
};

}  // namespace tamis::models
