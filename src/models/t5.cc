// The encoder of T5 (sentence-t5, gtr, instructor): pre-norm layers without biases, RMS norms, a
// bias by distance that the first layer has for all, scores without a factor. Its decoder is not
// run. Source: transformers, models/t5/modeling_t5.py
#include "base/error.h"
#include "base/json.h"
#include "models/builder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMostHeadSize = 256;

/// What of config.json only this family has.
struct T5Config {
  int64_t head_size = 64;
  int64_t buckets = 32;
  int64_t max_distance = 128;
  Activation activation = Activation::kRelu;
  bool is_gated = false;
};

// "relu", or "gated-" and the name of the gate's activation; "gelu" behind a gate is gelu_new.
void read_feed_forward(const ModelConfig& config, T5Config& own) {
  const ConfigFields& fields = config.fields;
  constexpr std::string_view kKey = "feed_forward_proj";
  constexpr std::string_view kGated = "gated-";
  const std::string text = fields.text(kKey, config.model_type == "mt5" ? "gated-gelu" : "relu");
  own.is_gated = text.starts_with(kGated);
  const std::string name = own.is_gated ? text.substr(kGated.size()) : text;
  const auto found =
      activation_from_name(own.is_gated && name == "gelu" ? std::string("gelu_new") : name);
  if (!found) {
    fields.refuse(kKey, json_quote(std::string_view(text).substr(0, 200)),
                  cat("gated- and one of, or one of ", known_activations()));
  }
  own.activation = *found;
  own.is_gated = fields.flag("is_gated_act", own.is_gated);
  if (fields.has("dense_act_fn")) own.activation = fields.activation("dense_act_fn", "relu");
}

T5Config read_config(const ModelConfig& config) {
  const ConfigFields& fields = config.fields;
  T5Config own;
  own.head_size = fields.integer("d_kv", 64, 1, kMostHeadSize);
  own.buckets = fields.integer("relative_attention_num_buckets", 32, 4, 1 << 16);
  own.max_distance = fields.integer("relative_attention_max_distance", 128, 1, 1 << 20);
  if (own.buckets % 4 != 0 || own.buckets / 4 >= own.max_distance) {
    fields.refuse("relative_attention_num_buckets", cat(own.buckets),
                  "multiples of 4 below 4 times relative_attention_max_distance");
  }
  read_feed_forward(config, own);
  return own;
}

ValueId norm(Builder& b, ValueId x, const std::string& module) {
  return b.rms_norm(x, module, {.epsilon = b.config().layer_norm_eps});
}

ValueId attention(Builder& b, const T5Config& own, ValueId x, const std::string& module) {
  const int64_t heads = b.config().num_attention_heads;
  const auto project = [&](std::string_view name) {
    return b.linear(x, cat(module, ".", name), heads * own.head_size, Bias::kNone);
  };
  AttentionOperands operands = {.q = project("q"), .k = project("k"), .v = project("v")};
  operands.bias =
      b.parameter(b.path("block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
                  Shape{own.buckets, heads});
  graph::AttentionAttributes fields;
  fields.heads = heads;
  fields.bias = graph::BiasRule::kT5;
  fields.max_distance = own.max_distance;
  return b.linear(b.attention(operands, fields, module), module + ".o", b.config().hidden_size,
                  Bias::kNone);
}

ValueId feed_forward(Builder& b, const T5Config& own, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string gate = own.is_gated ? ".wi_0" : ".wi";
  ValueId wide =
      b.activation(b.linear(x, module + gate, n, Bias::kNone), own.activation, module + ".act");
  if (own.is_gated) {
    wide = b.multiply(wide, b.linear(x, module + ".wi_1", n, Bias::kNone), module);
  }
  return b.linear(wide, module + ".wo", b.config().hidden_size, Bias::kNone);
}

ValueId encoder(Builder& b) {
  const T5Config own = read_config(b.config());
  ValueId x = b.word_embedding(b.path("embed_tokens"), b.config().hidden_size);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    const std::string module = b.path(cat("block.", i, ".layer."));
    const ValueId normed = norm(b, x, module + "0.layer_norm");
    x = b.add(attention(b, own, normed, module + "0.SelfAttention"), x, module + "0");
    const ValueId again = norm(b, x, module + "1.layer_norm");
    x = b.add(feed_forward(b, own, again, module + "1.DenseReluDense"), x, module + "1");
  }
  return norm(b, x, b.path("final_layer_norm"));
}

}  // namespace

constinit const FamilyParts kT5 = {
    .encoder = encoder,
    .question_answering = {},  // the class's is behind a decoder
    .decoder = "shared",
};
// Of the class for tokens, which holds the encoder as a model of its own.
constinit const FamilyParts kT5Tokens = {
    .encoder = encoder,
    .question_answering = {},
    .decoder = "transformer.shared",
};

}  // namespace tamis::models
