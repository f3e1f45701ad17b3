// ESM-1b and ESM-2: proteins. BERT's layers with the norms first, RoBERTa's positions or rotary
// ones, and embeddings that count with the share of masked tokens in a text. Source: transformers,
// models/esm/modeling_esm.py
#include <optional>

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

// The words' rows, as token_dropout has them.
ValueId dropped_out(Builder& b, ValueId words, const std::string& module) {
  const ConfigFields& fields = b.config().fields;
  if (!fields.has("mask_token_id")) {
    fields.refuse("mask_token_id", "null beside token_dropout", "the id of <mask>");
  }
  graph::TokenDropoutAttributes attributes;
  attributes.mask_token = fields.integer("mask_token_id", 0, 0, b.config().vocab_size - 1);
  attributes.kept = kUnmasked;
  return b.graph().add_node(OpKind::kTokenDropout, {words, b.input_ids()}, attributes, module);
}

bool is_rotary(const ConfigFields& fields) {
  const std::string positions = fields.text("position_embedding_type", "absolute");
  if (positions == "rotary" || positions == "absolute") return positions == "rotary";
  fields.refuse("position_embedding_type", json_quote(positions.substr(0, 200)),
                "absolute, rotary");
}

int64_t max_positions(const ModelConfig& config) {
  if (is_rotary(config.fields)) return config.max_position_embeddings;
  return roberta_max_positions(config, roberta_padding_idx(config));
}

ValueId embeddings(Builder& b) {
  const ConfigFields& fields = b.config().fields;
  const int64_t n = b.config().hidden_size;
  const std::string module = b.path("embeddings");
  ValueId x = b.word_embedding(module + ".word_embeddings", n);
  if (fields.flag("token_dropout", false)) x = dropped_out(b, x, module);
  if (!is_rotary(fields)) {
    const graph::PositionIdsAttributes rule = {graph::PositionRule::kRoberta,
                                               roberta_padding_idx(b.config())};
    x = b.add(x, b.position_embedding(module, n, rule), module);
  }
  if (!fields.flag("emb_layer_norm_before", false)) return x;
  return b.layer_norm(x, module + ".layer_norm", b.config().layer_norm_eps);
}

ValueId attention(Builder& b, const std::optional<RotaryPositions>& positions, ValueId x,
                  const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const int64_t heads = b.config().num_attention_heads;
  const std::string self = module + ".self";
  const auto turned = [&](std::string_view name) {
    const ValueId rows = b.linear(x, self + std::string(name), n);
    return positions ? rotary(b, rows, *positions, heads, n / heads, self) : rows;
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
  std::optional<RotaryPositions> positions;
  if (is_rotary(config.fields)) {
    positions.emplace();
    positions->name = "rotary_embeddings.inv_freq";
    positions->frequencies = frequencies(b);
  }
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
    .masked_lm = roberta_masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
};

}  // namespace tamis::models
