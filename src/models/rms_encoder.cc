#include "models/rms_encoder.h"

#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMostHeadSize = 256;

// A norm over each of `heads` equal parts of a row.
ValueId norm(Builder& b, const RmsEncoder& options, ValueId x, const std::string& module,
             int64_t heads = 1) {
  RmsNorm fields;
  fields.epsilon = options.epsilon;
  fields.heads = heads;
  fields.offset = options.is_gemma ? 1.0f : 0.0f;
  return b.rms_norm(x, module, fields);
}

ValueId attention(Builder& b, const RmsEncoder& options, const LayerKind& kind, ValueId x,
                  const std::string& module) {
  const int64_t heads = b.config().num_attention_heads;
  const auto project = [&](std::string_view name, int64_t count) {
    return b.linear(x, cat(module, ".", name), count * options.head_size, options.projection_bias);
  };
  const auto turned = [&](std::string_view name, std::string_view norm_name, int64_t count) {
    ValueId value = project(name, count);
    if (options.normalizes_heads) {
      value = norm(b, options, value, cat(module, ".", norm_name), count);
    }
    return rotary(b, value, kind.positions, count, options.head_size, module);
  };
  const ValueId q = turned("q_proj", "q_norm", heads);
  const ValueId k = turned("k_proj", "k_norm", options.kv_heads);
  const ValueId v = project("v_proj", options.kv_heads);
  graph::AttentionAttributes attributes = b.attention_attributes(options.head_size);
  attributes.scale = options.scale;
  attributes.left = kind.before;
  attributes.right = kind.after;
  if (options.kv_heads != heads) attributes.kv_heads = options.kv_heads;
  const ValueId context = b.attention({.q = q, .k = k, .v = v}, attributes, module);
  return b.linear(context, module + ".o_proj", b.config().hidden_size, options.output_bias);
}

ValueId feed_forward(Builder& b, const RmsEncoder& options, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const ValueId gate = b.linear(x, module + ".gate_proj", n, options.mlp_bias);
  const ValueId up = b.linear(x, module + ".up_proj", n, options.mlp_bias);
  const ValueId active = b.activation(gate, options.activation, module + ".act_fn");
  return b.linear(b.multiply(active, up, module), module + ".down_proj", b.config().hidden_size,
                  options.mlp_bias);
}

ValueId layer(Builder& b, const RmsEncoder& options, ValueId x, int64_t index) {
  const std::string module = b.path(cat("layers.", index));
  const bool slides = !options.slides.empty() && options.slides[static_cast<size_t>(index)];
  const LayerKind& kind = slides ? options.sliding : options.full;
  const auto normed = [&](ValueId value, std::string_view name) {
    return norm(b, options, value, cat(module, ".", name));
  };
  ValueId added = attention(b, options, kind, normed(x, "input_layernorm"), module + ".self_attn");
  if (options.is_gemma) added = normed(added, "post_attention_layernorm");
  x = b.add(added, x, module);
  const std::string_view before =
      options.is_gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm";
  added = feed_forward(b, options, normed(x, before), module + ".mlp");
  if (options.is_gemma) added = normed(added, "post_feedforward_layernorm");
  return b.add(added, x, module);
}

// As many as the heads where the file says null.
int64_t read_kv_heads(const ModelConfig& config, int64_t otherwise) {
  const ConfigFields& fields = config.fields;
  const int64_t heads = config.num_attention_heads;
  const JsonView given = fields.view().get("num_key_value_heads");
  if (otherwise == 0 || (given && given.is_null())) otherwise = heads;
  const int64_t kv_heads = fields.integer("num_key_value_heads", otherwise, 1, heads);
  if (kv_heads > heads || heads % kv_heads != 0) {
    fail(ErrorCode::kCorruptData, fields.what("num_key_value_heads"), " is ", kv_heads,
         "; accepted are divisors of num_attention_heads, ", heads);
  }
  return kv_heads;
}

}  // namespace

RmsEncoder read_rms_encoder(const ModelConfig& config, const RmsDefaults& defaults) {
  const ConfigFields& fields = config.fields;
  RmsEncoder options;
  const int64_t even = config.hidden_size / config.num_attention_heads;
  const JsonView given = fields.view().get("head_dim");
  const bool usual = defaults.head_size == 0 || (given && given.is_null());
  options.head_size =
      fields.integer("head_dim", usual ? even : defaults.head_size, 2, kMostHeadSize);
  options.kv_heads = read_kv_heads(config, defaults.kv_heads);
  options.scale = attention_scale(options.head_size);
  options.epsilon = fields.number("rms_norm_eps", defaults.epsilon, 0, 1);
  options.activation = config.hidden_act;
  options.projection_bias = options.output_bias = bias_of(fields, "attention_bias");
  options.mlp_bias = bias_of(fields, "mlp_bias");
  return options;
}

ValueId rms_encoder(Builder& b, const RmsEncoder& options) {
  ValueId x = b.word_embedding(b.path("embed_tokens"), b.config().hidden_size);
  if (options.is_gemma) {
    const double root = std::sqrt(static_cast<double>(b.config().hidden_size));
    x = b.scaled(x, static_cast<float>(root), b.path("embed_tokens"));
  }
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) x = layer(b, options, x, i);
  return norm(b, options, x, b.path("norm"));
}

}  // namespace tamis::models
