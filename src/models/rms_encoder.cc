#include "models/rms_encoder.h"

#include "base/error.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMostHeadSize = 256;

ValueId attention(Builder& b, const RmsEncoder& options, ValueId x, const std::string& module) {
  const int64_t heads = b.config().num_attention_heads;
  const auto project = [&](std::string_view name, int64_t count) {
    return b.linear(x, cat(module, ".", name), count * options.head_size, options.attention_bias);
  };
  const auto turned = [&](ValueId value, int64_t count) {
    return rotary(b, value, options.positions, count, options.head_size, module);
  };
  const ValueId q = turned(project("q_proj", heads), heads);
  const ValueId k = turned(project("k_proj", options.kv_heads), options.kv_heads);
  const ValueId v = project("v_proj", options.kv_heads);
  graph::AttentionAttributes attributes = b.attention_attributes(options.head_size);
  attributes.right = options.keys_after;
  if (options.kv_heads != heads) attributes.kv_heads = options.kv_heads;
  const ValueId context = b.attention({.q = q, .k = k, .v = v}, attributes, module);
  return b.linear(context, module + ".o_proj", b.config().hidden_size, options.attention_bias);
}

ValueId feed_forward(Builder& b, const RmsEncoder& options, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const ValueId gate = b.linear(x, module + ".gate_proj", n, options.mlp_bias);
  const ValueId up = b.linear(x, module + ".up_proj", n, options.mlp_bias);
  const ValueId active = b.activation(gate, b.config().hidden_act, module + ".act_fn");
  return b.linear(b.multiply(active, up, module), module + ".down_proj", b.config().hidden_size,
                  options.mlp_bias);
}

}  // namespace

RmsEncoder read_rms_encoder(const ModelConfig& config, double epsilon, double theta) {
  const ConfigFields& fields = config.fields;
  const int64_t heads = config.num_attention_heads;
  RmsEncoder options;
  options.head_size = fields.integer("head_dim", config.hidden_size / heads, 2, kMostHeadSize);
  options.kv_heads = fields.integer("num_key_value_heads", heads, 1, heads);
  if (heads % options.kv_heads != 0) {
    fail(ErrorCode::kCorruptData, fields.what("num_key_value_heads"), " is ", options.kv_heads,
         "; accepted are divisors of num_attention_heads, ", heads);
  }
  options.epsilon = fields.number("rms_norm_eps", epsilon, 0, 1);
  options.attention_bias = bias_of(fields, "attention_bias");
  options.mlp_bias = bias_of(fields, "mlp_bias");
  options.positions = read_rotary(config, rope_theta(fields, theta), options.head_size);
  return options;
}

ValueId rms_encoder(Builder& b, const RmsEncoder& options) {
  ValueId x = b.word_embedding(b.path("embed_tokens"), b.config().hidden_size);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    const std::string module = b.path(cat("layers.", i));
    const ValueId normed = b.rms_norm(x, module + ".input_layernorm", options.epsilon);
    x = b.add(attention(b, options, normed, module + ".self_attn"), x, module);
    const ValueId again = b.rms_norm(x, module + ".post_attention_layernorm", options.epsilon);
    x = b.add(feed_forward(b, options, again, module + ".mlp"), x, module);
  }
  return b.rms_norm(x, b.path("norm"), options.epsilon);
}

}  // namespace tamis::models
