// NeoBERT: pre-norm layers without biases, RMS norms, SwiGLU, rotary positions of neighboring
// columns. Checkpoints bring their class with them; transformers has none.
// Source: https://huggingface.co/chandar-lab/NeoBERT, model.py
#include "base/error.h"
#include "models/builder.h"
#include "models/rotary.h"

namespace tamis::models {

using graph::ValueId;

namespace {

RmsNorm norm(const ModelConfig& config) {
  return {.epsilon = config.fields.number("norm_eps", 1e-6, 0, 1)};
}

// Two thirds of intermediate_size, rounded up to a multiple of 8: as many weights as without a
// gate.
int64_t unit_size(const ModelConfig& config) {
  return (2 * config.intermediate_size / 3 + 7) / 8 * 8;
}

ValueId attention(Builder& b, const RotaryPositions& positions, ValueId x,
                  const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const int64_t heads = b.config().num_attention_heads;
  const int64_t size = n / heads;
  const std::string packed = module + ".qkv";
  // Each head's queries, keys and values lie together.
  const auto part = [&](std::string_view name, int64_t index) {
    return b.linear_rows(x, cat(packed, ".", name), n,
                         {packed, index * size, 3 * n, size, 3 * size}, Bias::kNone);
  };
  const auto turned = [&](ValueId value) {
    return rotary(b, value, positions, heads, size, module);
  };
  const ValueId q = turned(part("query", 0));
  const ValueId k = turned(part("key", 1));
  const ValueId context =
      b.attention({.q = q, .k = k, .v = part("value", 2)}, b.attention_attributes(size), module);
  return b.linear(context, module + ".wo", n, Bias::kNone);
}

ValueId feed_forward(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = unit_size(b.config());
  const std::string packed = module + ".w12";
  const ValueId gate = b.linear_rows(x, packed + ".gate", n, {packed, 0, 2 * n}, Bias::kNone);
  const ValueId up = b.linear_rows(x, packed + ".up", n, {packed, n, 2 * n}, Bias::kNone);
  const ValueId active = b.activation(gate, Activation::kSilu, module);
  return b.linear(b.multiply(active, up, module), module + ".w3", b.config().hidden_size,
                  Bias::kNone);
}

ValueId encoder(Builder& b) {
  const ModelConfig& config = b.config();
  RotaryPositions positions;
  positions.name = "freqs_cis";
  positions.interleaved = true;
  positions.frequencies =
      rotary_frequencies(10000, config.hidden_size / config.num_attention_heads);
  ValueId x = b.word_embedding(b.path("encoder"), config.hidden_size);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string module = b.path(cat("transformer_encoder.", i));
    const ValueId normed = b.rms_norm(x, module + ".attention_norm", norm(config));
    x = b.add(x, attention(b, positions, normed, module), module);
    const ValueId again = b.rms_norm(x, module + ".ffn_norm", norm(config));
    x = b.add(x, feed_forward(b, again, module + ".ffn"), module);
  }
  return b.rms_norm(x, b.path("layer_norm"), norm(config));
}

// dense and tanh on the first token, then a linear layer.
ValueId classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "dense");
  const ValueId dense = b.linear(first, "dense", b.config().hidden_size);
  return b.linear(b.activation(dense, Activation::kTanh, "dense"), "classifier", b.num_labels());
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  return b.decoder(hidden, b.path("encoder"), "decoder.bias");
}

}  // namespace

constinit const FamilyParts kNeoBert = {
    .encoder = encoder,
    .classifier = classifier,
    .masked_lm = masked_lm,
    .classifier_weights = {"dense.weight", "classifier.weight"},
    .masked_lm_weight = "decoder.weight",
    .decoder = "decoder",
};

}  // namespace tamis::models
