// ModernBERT (ettin, mmBERT, granite-embedding r2, gte-modernbert): pre-norm layers without biases,
// of which every third sees all tokens and the others a window, each kind with rotary positions of
// its own. Source: transformers, models/modernbert/modeling_modernbert.py
#include "base/error.h"
#include "base/json.h"
#include "models/layer_kinds.h"

namespace tamis::models {

using graph::ValueId;

namespace {

/// What of config.json only this family has.
struct ModernBertConfig {
  LayerKind full;
  LayerKind sliding;
  std::vector<bool> slides;  // by layer
  double norm_eps = 1e-5;
  Bias norm_bias = Bias::kNone;
  Bias attention_bias = Bias::kNone;
  Bias mlp_bias = Bias::kNone;
  Activation activation = Activation::kGelu;
};

// A full layer every so many, unless the file says which.
std::vector<bool> read_slides(const ModelConfig& config) {
  const int64_t every = config.fields.integer("global_attn_every_n_layers", 3, 1, 1024);
  std::vector<bool> slides;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) slides.push_back(i % every != 0);
  return read_sliding_layers(config, std::move(slides));
}

// Newer files have rope_parameters with an object for each kind, older ones a theta for each and
// one rope_scaling.
RotaryPositions read_positions(const ModelConfig& config, std::string_view kind,
                               std::string_view theta_key, double theta) {
  const ConfigFields& fields = config.fields;
  const int64_t head_size = config.hidden_size / config.num_attention_heads;
  const RotarySizes sizes = {.theta = fields.number(theta_key, theta, 1e-3, 1e12),
                             .size = head_size,
                             .max_positions = config.max_position_embeddings,
                             .of_a_kind = fields.has("rope_parameters")};
  const JsonView newer = fields.get("rope_parameters");
  if (newer && fields.has("rope_scaling")) {
    fields.refuse("rope_scaling", "beside rope_parameters", "either of the two alone");
  }
  if (newer) {
    return read_rotary(newer.get(kind), cat(fields.what("rope_parameters"), ".", kind), sizes);
  }
  return read_rotary(fields.get("rope_scaling"), fields.what("rope_scaling"), sizes);
}

ModernBertConfig read_config(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  ModernBertConfig own;
  own.full.positions = read_positions(config, "full_attention", "global_rope_theta", 160000);
  own.full.positions.name = "rotary_emb.full_attention_inv_freq";
  own.sliding.positions = read_positions(config, "sliding_attention", "local_rope_theta", 10000);
  own.sliding.positions.name = "rotary_emb.sliding_attention_inv_freq";
  const int64_t window = fields.integer("local_attention", 128, 2, kMostWindow) / 2;
  // Half of the other; newer files may have it in its place.
  own.sliding.before = fields.integer("sliding_window", window, 1, kMostWindow);
  own.sliding.after = own.sliding.before;
  own.slides = read_slides(config);
  own.norm_eps = fields.number("norm_eps", 1e-5, 0, 1);
  own.norm_bias = bias_of(fields, "norm_bias");
  own.attention_bias = bias_of(fields, "attention_bias");
  own.mlp_bias = bias_of(fields, "mlp_bias");
  own.activation = fields.activation("hidden_activation", "gelu");
  return own;
}

ValueId attention(Builder& b, const ModernBertConfig& own, const LayerKind& kind, ValueId x,
                  const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const int64_t heads = b.config().num_attention_heads;
  const std::string packed = module + ".Wqkv";
  const auto part = [&](std::string_view name, int64_t index) {
    return b.linear_rows(x, cat(packed, ".", name), n, {packed, index * n, 3 * n},
                         own.attention_bias);
  };
  const auto turned = [&](ValueId value) {
    return rotary(b, value, kind.positions, heads, n / heads, module);
  };
  const ValueId q = turned(part("query", 0));
  const ValueId k = turned(part("key", 1));
  graph::AttentionAttributes attributes = b.attention_attributes(n / heads);
  attributes.left = kind.before;
  attributes.right = kind.after;
  const ValueId context = b.attention({.q = q, .k = k, .v = part("value", 2)}, attributes, module);
  return b.linear(context, module + ".Wo", n, own.attention_bias);
}

ValueId feed_forward(Builder& b, const ModernBertConfig& own, ValueId x,
                     const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string packed = module + ".Wi";
  const ValueId input = b.linear_rows(x, packed + ".input", n, {packed, 0, 2 * n}, own.mlp_bias);
  const ValueId gate = b.linear_rows(x, packed + ".gate", n, {packed, n, 2 * n}, own.mlp_bias);
  const ValueId active = b.activation(input, own.activation, module + ".act");
  return b.linear(b.multiply(active, gate, module), module + ".Wo", b.config().hidden_size,
                  own.mlp_bias);
}

ValueId layer(Builder& b, const ModernBertConfig& own, ValueId x, int64_t index) {
  const std::string module = b.path(cat("layers.", index));
  const bool slides = own.slides[static_cast<size_t>(index)];
  // The first layer's norm would repeat that of the embeddings.
  const ValueId normed =
      index == 0 ? x : b.layer_norm(x, module + ".attn_norm", own.norm_eps, own.norm_bias);
  const ValueId attended =
      attention(b, own, slides ? own.sliding : own.full, normed, module + ".attn");
  x = b.add(x, attended, module);
  const ValueId again = b.layer_norm(x, module + ".mlp_norm", own.norm_eps, own.norm_bias);
  return b.add(x, feed_forward(b, own, again, module + ".mlp"), module);
}

ValueId encoder(Builder& b) {
  const ModernBertConfig own = read_config(b.config());
  const std::string embeddings = b.path("embeddings");
  ValueId x = b.word_embedding(embeddings + ".tok_embeddings", b.config().hidden_size);
  x = b.layer_norm(x, embeddings + ".norm", own.norm_eps, own.norm_bias);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) x = layer(b, own, x, i);
  return b.layer_norm(x, b.path("final_norm"), own.norm_eps, own.norm_bias);
}

// dense, activation, norm: before the last layer of every head.
ValueId prediction_head(Builder& b, ValueId x) {
  const ConfigFields& fields = b.config().fields;
  x = b.linear(x, "head.dense", b.config().hidden_size, bias_of(fields, "classifier_bias"));
  x = b.activation(x, fields.activation("classifier_activation", "gelu"), "head.act");
  return b.layer_norm(x, "head.norm", fields.number("norm_eps", 1e-5, 0, 1),
                      bias_of(fields, "norm_bias"));
}

ValueId classifier(Builder& b, ValueId hidden) {
  const ConfigFields& fields = b.config().fields;
  const std::string pooling = fields.text("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") {
    fields.refuse("classifier_pooling", json_quote(pooling.substr(0, 200)), "cls and mean");
  }
  const ValueId pooled =
      pooling == "cls" ? b.first_token(hidden, "pooling") : b.mean_of_tokens(hidden, "pooling");
  return b.linear(prediction_head(b, pooled), "classifier", b.num_labels());
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  const bool bias = b.config().fields.flag("decoder_bias", true);
  return b.decoder(prediction_head(b, hidden), b.path("embeddings.tok_embeddings"),
                   bias ? "decoder.bias" : "");
}

}  // namespace

constinit const FamilyParts kModernBert = {
    .encoder = encoder,
    .classifier = classifier,
    .masked_lm = masked_lm,
    .token_head = prediction_head,
    .classifier_weights = {"head.dense.weight", "classifier.weight"},
    .masked_lm_weight = "head.dense.weight",
    .question_answering = "classifier",
    .decoder = "decoder",
};

}  // namespace tamis::models
