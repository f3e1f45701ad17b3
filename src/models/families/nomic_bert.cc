// NomicBERT: BERT with rotary positions. nomic-embed-text v1 and v1.5 and
// snowflake-arctic-embed-m-long have SwiGLU and no biases; nomic-embed-text-v2-moe has biases,
// GELU, and in every second layer a mixture of experts. Checkpoints older than transformers' class
// name its tensors otherwise. Source: transformers, models/nomic_bert/modeling_nomic_bert.py, and
// the code beside the checkpoints
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "models/bert_encoder.h"
#include "models/post_norm_rotary.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr Respelling kOlder[] = {
    {"embeddings.LayerNorm", "emb_ln"},    {"layers.", "encoder.layers."},
    {"self_attn.qkv_proj", "attn.Wqkv"},   {"self_attn.o_proj", "attn.out_proj"},
    {"post_attention_layernorm", "norm1"}, {"post_mlp_layernorm", "norm2"},
    {"mlp.up_proj", "mlp.fc11"},           {"mlp.gate_proj", "mlp.fc12"},
    {"mlp.down_proj", "mlp.fc2"},
};

// The older files have a key of their own for the base, and do not read rope_theta.
RotaryPositions positions(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  const int64_t head_size = config.hidden_size / config.num_attention_heads;
  const int64_t named = fields.integer("head_dim", head_size, 1, int64_t{1} << 20);
  if (named != head_size) fields.refuse("head_dim", cat(named), cat(head_size));
  const double fraction = fields.number("rotary_emb_fraction", 1, 0, 1);
  const auto size = static_cast<int64_t>(static_cast<double>(head_size) * fraction);
  if (size == 0) {
    fields.refuse("rotary_emb_fraction", cat(fraction), "fractions that turn a pair of columns");
  }
  const double usual = fields.has("n_embd") ? 10000 : rope_theta(fields, 1000);
  const double theta = fields.number("rotary_emb_base", usual, 1e-3, 1e12);
  RotaryPositions positions = read_rotary(config, theta, size);
  positions.interleaved = fields.flag("rotary_emb_interleaved", false);
  if (positions.interleaved && !fields.has("n_embd")) {
    fields.refuse("rotary_emb_interleaved", "true",
                  "false, and true beside n_embd: transformers' class pairs the halves of a head");
  }
  return positions;
}

// Of the code beside older checkpoints; transformers' class has hidden_act, and a gate.
bool is_plain_gelu(const ConfigFields& fields) {
  return fields.text("activation_function", "swiglu") == "gelu";
}

// Experts have two products and no gate.
Experts experts(const ConfigFields& fields, FeedForward feed_forward) {
  const Experts experts = read_experts(fields);
  if (experts.count > 0 && feed_forward == FeedForward::kGated) {
    fields.refuse("activation_function", fields.text("activation_function", "swiglu"),
                  "gelu, in a mixture of experts");
  }
  return experts;
}

ValueId encoder(Builder& b) {
  const ConfigFields& fields = b.config().fields;
  PostNormRotary options;
  options.positions = positions(b.config());
  options.attention_bias = bias_of(fields, "qkv_proj_bias");
  options.up_bias = bias_of(fields, "mlp_fc1_bias");
  options.down_bias = bias_of(fields, "mlp_fc2_bias");
  if (is_plain_gelu(fields)) {
    options.feed_forward = FeedForward::kPlain;
    options.activation = Activation::kGelu;
  }
  options.experts = experts(fields, options.feed_forward);
  return post_norm_rotary_encoder(b, options);
}

// transformers' class always has them, the older code where fc1 has.
Bias head_bias(const ConfigFields& fields) {
  return fields.has("mlp_fc1_bias") ? bias_of(fields, "mlp_fc1_bias") : Bias::kAdded;
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  const std::string transform = "cls.predictions.transform";
  const Bias bias = head_bias(b.config().fields);
  ValueId x = b.linear(hidden, transform + ".dense", b.config().hidden_size, bias);
  const bool plain = is_plain_gelu(b.config().fields);
  x = b.activation(x, plain ? Activation::kGelu : b.config().hidden_act,
                   transform + ".transform_act_fn");
  x = b.layer_norm(x, transform + ".layer_norm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"),
                   bias == Bias::kAdded ? "cls.predictions.bias" : "");
}

// Beyond the trained positions, files with a scaling factor turn by the length of the text.
int64_t max_positions(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  if (!fields.has("rotary_scaling_factor")) return config.max_position_embeddings;
  const int64_t trained =
      fields.integer("max_trained_positions", config.max_position_embeddings, 1, 1 << 20);
  return std::min(config.max_position_embeddings, trained);
}

}  // namespace

constinit const FamilyParts kNomicBert = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
    .spellings = kOlder,
};

}  // namespace tamis::models
