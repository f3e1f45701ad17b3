// BERT (MiniLM, mBERT). Source: transformers, models/bert/modeling_bert.py
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId encoder(Builder& b) { return bert_layers(b, bert_embeddings(b, {})); }

// The pooler on [CLS], then a linear layer.
ValueId classifier(Builder& b, ValueId hidden) {
  return b.linear(bert_pooler(b, hidden), "classifier", b.config().num_labels);
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  const std::string transform = "cls.predictions.transform";
  ValueId x = b.linear(hidden, transform + ".dense", b.config().hidden_size);
  x = b.activation(x, b.config().hidden_act, transform + ".transform_act_fn");
  x = b.layer_norm(x, transform + ".LayerNorm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "cls.predictions.bias");
}

int64_t max_positions(const ModelConfig& config) { return config.max_position_embeddings; }

}  // namespace

constinit const FamilyParts kBert = {
    .encoder = encoder,
    .classifier = classifier,
    .pooler = bert_pooler,
    .masked_lm = masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"bert.pooler.dense.weight", "classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
