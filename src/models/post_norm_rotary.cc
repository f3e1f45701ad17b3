#include "models/post_norm_rotary.h"

#include "base/error.h"
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

/// One of several modules that a checkpoint may hold as one.
struct Packed {
  std::string module;  // of the packed weight
  int64_t index = 0;
  int64_t parts = 0;
};

// `module` by itself, or its part of the packed one where the checkpoint has that.
ValueId part_of(Builder& b, ValueId x, const std::string& module, int64_t n, const Packed& packed,
                Bias bias) {
  if (!b.weights().has(packed.module + ".weight")) return b.linear(x, module, n, bias);
  return b.linear_rows(x, module, n, {packed.module, packed.index * n, packed.parts * n}, bias);
}

ValueId attention(Builder& b, const PostNormRotary& options, ValueId x, const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const int64_t heads = b.config().num_attention_heads;
  const auto project = [&](std::string_view name, int64_t index) {
    return part_of(b, x, cat(module, ".", name), n, {module + ".qkv_proj", index, 3},
                   options.attention_bias);
  };
  const auto turned = [&](ValueId value) {
    return rotary(b, value, options.positions, heads, n / heads, module);
  };
  const ValueId q = turned(project("q_proj", 0));
  const ValueId k = turned(project("k_proj", 1));
  const ValueId v = project("v_proj", 2);
  const ValueId context =
      b.attention({.q = q, .k = k, .v = v}, b.attention_attributes(n / heads), module);
  return b.linear(context, module + ".o_proj", n, options.attention_bias);
}

Activation activation_of(const Builder& b, const PostNormRotary& options) {
  return options.activation.value_or(b.config().hidden_act);
}

ValueId plain_feed_forward(Builder& b, const PostNormRotary& options, ValueId x,
                           const std::string& module) {
  const ValueId wide = b.linear(x, module + ".fc1", b.config().intermediate_size, options.up_bias);
  const ValueId active = b.activation(wide, activation_of(b, options), module + ".activation_fn");
  return b.linear(active, module + ".fc2", b.config().hidden_size, options.down_bias);
}

ValueId feed_forward(Builder& b, const PostNormRotary& options, ValueId x,
                     const std::string& module) {
  if (options.feed_forward == FeedForward::kPlain) return plain_feed_forward(b, options, x, module);
  const int64_t n = b.config().intermediate_size;
  const std::string packed = module + ".up_gate_proj";
  const ValueId gate = part_of(b, x, module + ".gate_proj", n, {packed, 1, 2}, options.up_bias);
  const ValueId up = part_of(b, x, module + ".up_proj", n, {packed, 0, 2}, options.up_bias);
  const ValueId active = b.activation(gate, activation_of(b, options), module + ".act_fn");
  return b.linear(b.multiply(active, up, module), module + ".down_proj", b.config().hidden_size,
                  options.down_bias);
}

ValueId layer(Builder& b, const PostNormRotary& options, ValueId x, int64_t number) {
  const std::string module = b.path(cat("layers.", number));
  const double epsilon = b.config().layer_norm_eps;
  const ValueId attended = attention(b, options, x, module + ".self_attn");
  x = b.layer_norm(b.add(x, attended, module), module + ".post_attention_layernorm", epsilon);
  const std::string mlp = module + ".mlp";
  const ValueId fed =
      options.experts.in_layer(number)
          ? mixture_of_experts(b, x, options.experts, activation_of(b, options), mlp)
          : feed_forward(b, options, x, mlp);
  return b.layer_norm(b.add(x, fed, module), module + ".post_mlp_layernorm", epsilon);
}

}  // namespace

ValueId post_norm_rotary_encoder(Builder& b, const PostNormRotary& options) {
  ValueId x = b.layer_norm(bert_words_and_segments(b), b.path("embeddings.LayerNorm"),
                           b.config().layer_norm_eps);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    x = layer(b, options, x, i);
  }
  return x;
}

}  // namespace tamis::models
