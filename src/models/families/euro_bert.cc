// EuroBERT: Llama's layers, where each token sees all others.
// Source: transformers, models/eurobert/modeling_eurobert.py
#include "base/error.h"
#include "base/json.h"
#include "models/rms_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId encoder(Builder& b) {
  RmsEncoder options = read_rms_encoder(b.config(), {.epsilon = 1e-5});
  options.full.positions =
      read_rotary(b.config(), rope_theta(b.config().fields, 10000), options.head_size);
  return rms_encoder(b, options);
}

ValueId dense(Builder& b, ValueId x) {
  x = b.linear(x, "dense", b.config().hidden_size);
  return b.linear(b.activation(x, Activation::kGelu, "activation"), "classifier", b.num_labels());
}

// "late" takes the mean of the tokens' logits; clf_pooling is the key's older name, which
// transformers keeps beside its own where it saves such a config again.
ValueId classifier(Builder& b, ValueId hidden) {
  const ConfigFields& fields = b.config().fields;
  const std::string_view key =
      fields.has("classifier_pooling") ? "classifier_pooling" : "clf_pooling";
  const std::string pooling = fields.text(key, "late");
  if (pooling == "bos") return dense(b, b.first_token(hidden, "pooling"));
  if (pooling == "mean") return dense(b, b.mean_of_tokens(hidden, "pooling"));
  if (pooling == "late") return b.mean_of_tokens(dense(b, hidden), "pooling");
  fields.refuse(key, json_quote(pooling.substr(0, 200)), "bos, mean and late");
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  const bool bias = b.config().fields.flag("mlp_bias", false);
  return b.decoder(hidden, b.path("embed_tokens"), bias ? "lm_head.bias" : "");
}

}  // namespace

constinit const FamilyParts kEuroBert = {
    .encoder = encoder,
    .classifier = classifier,
    .masked_lm = masked_lm,
    .classifier_weights = {"dense.weight", "classifier.weight"},
    .masked_lm_weight = "lm_head.weight",
    .decoder = "lm_head",
};

}  // namespace tamis::models
