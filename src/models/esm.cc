// ESM-2: proteins. BERT's layers with the norms first and rotary positions. Its embeddings count
// with the share of masked tokens in a text; that of texts without any is built, so <mask> has no
// row. Source: transformers, models/esm/modeling_esm.py
#include "base/error.h"
#include "base/json.h"
#include "models/bert_encoder.h"
#include "models/roberta_heads.h"
#include "models/rotary.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

// 15 % of the tokens were chosen in training, and 80 % of these masked.
constexpr float kUnmasked = static_cast<float>(1 - 0.15 * 0.8);

// The rows of the words, but for <mask>, which is the last.
ValueId words_without_mask(Builder& b, const std::string& module) {
  const ModelConfig& config = b.config();
  const int64_t mask =
      config.fields.integer("mask_token_id", config.vocab_size - 1, 0, config.vocab_size - 1);
  if (mask != config.vocab_size - 1) {
    config.fields.refuse("mask_token_id", cat(mask),
                         cat("the last of the vocabulary, ", config.vocab_size - 1));
  }
  const std::string name = module + ".weight";
  const auto table = b.load_stored(name, Shape{config.vocab_size, config.hidden_size});
  const ValueId rows =
      b.graph().add_constant(name, std::make_shared<const Tensor>(table->rows(0, mask)));
  const ValueId words =
      b.graph().add_node(OpKind::kGather, {rows, b.input_ids()}, graph::NoAttributes{}, module);
  const ValueId share = b.graph().add_constant(
      "unmasked_share",
      std::make_shared<const Tensor>(Tensor::from(Shape{}, std::span<const float>(&kUnmasked, 1))));
  return b.multiply(words, share, module);
}

ValueId embeddings(Builder& b) {
  const ConfigFields& fields = b.config().fields;
  const std::string positions = fields.text("position_embedding_type", "absolute");
  if (positions != "rotary") {
    fields.refuse("position_embedding_type", json_quote(positions.substr(0, 200)), "rotary");
  }
  const std::string module = b.path("embeddings");
  const std::string words = module + ".word_embeddings";
  ValueId x = fields.flag("token_dropout", false) ? words_without_mask(b, words)
                                                  : b.word_embedding(words, b.config().hidden_size);
  if (!fields.flag("emb_layer_norm_before", false)) return x;
  return b.layer_norm(x, module + ".layer_norm", b.config().layer_norm_eps);
}

ValueId attention(Builder& b, const RotaryPositions& positions, ValueId x,
                  const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const int64_t heads = b.config().num_attention_heads;
  const std::string self = module + ".self";
  const auto turned = [&](std::string_view name) {
    return rotary(b, b.linear(x, self + std::string(name), n), positions, heads, n / heads, self);
  };
  const ValueId q = turned(".query");
  const ValueId k = turned(".key");
  const ValueId v = b.linear(x, self + ".value", n);
  const ValueId context =
      b.attention({.q = q, .k = k, .v = v}, b.attention_attributes(n / heads), self);
  return b.linear(context, module + ".output.dense", n);
}

// Those of the checkpoint, which may be rounded to half precision as they were in training; else by
// rope_theta.
std::vector<float> frequencies(Builder& b) {
  const int64_t size = b.config().hidden_size / b.config().num_attention_heads;
  for (const std::string& name :
       {b.path("rotary_embeddings.inv_freq"),
        b.path("encoder.layer.0.attention.self.rotary_embeddings.inv_freq"),
        // As transformers 5.23 writes it, with the star.
        b.path("encoder.layer.*.attention.self.rotary_embeddings.inv_freq")}) {
    if (!b.weights().has(name)) continue;
    const auto stored = b.load(name, Shape{size / 2});
    const auto values = stored->as<float>();
    return {values.begin(), values.end()};
  }
  return rotary_frequencies(b.config().fields.number("rope_theta", 10000, 1e-3, 1e12), size);
}

ValueId encoder(Builder& b) {
  const ModelConfig& config = b.config();
  const double epsilon = config.layer_norm_eps;
  RotaryPositions positions;
  positions.name = "rotary_embeddings.inv_freq";
  positions.frequencies = frequencies(b);
  ValueId x = embeddings(b);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string module = b.path(cat("encoder.layer.", i));
    const ValueId normed = b.layer_norm(x, module + ".attention.LayerNorm", epsilon);
    x = b.add(attention(b, positions, normed, module + ".attention"), x,
              module + ".attention.output");
    const ValueId again = b.layer_norm(x, module + ".LayerNorm", epsilon);
    const std::string intermediate = module + ".intermediate";
    const ValueId wide = b.linear(again, intermediate + ".dense", config.intermediate_size);
    const ValueId active = b.activation(wide, Activation::kGelu, intermediate);
    x = b.add(b.linear(active, module + ".output.dense", config.hidden_size), x,
              module + ".output");
  }
  return b.layer_norm(x, b.path("encoder.emb_layer_norm_after"), epsilon);
}

}  // namespace

constinit const FamilyParts kEsm = {
    .encoder = encoder,
    .classifier = roberta_classifier,
    .pooler = bert_pooler,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .decoder = "lm_head.decoder",
};

}  // namespace tamis::models
