// ELECTRA: BERT's encoder behind a projection of smaller embeddings.
// Source: transformers, models/electra/modeling_electra.py
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId encoder(Builder& b) {
  ValueId hidden = bert_embeddings(b, {});
  if (b.config().embedding_size != b.config().hidden_size) {
    hidden = b.linear(hidden, b.path("embeddings_project"), b.config().hidden_size);
  }
  return bert_layers(b, hidden);
}

// dense, gelu (whatever hidden_act says), out_proj on [CLS].
ValueId classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "classifier");
  const ValueId dense = b.linear(first, "classifier.dense", b.config().hidden_size);
  const ValueId active = b.activation(dense, Activation::kGelu, "classifier.activation");
  return b.linear(active, "classifier.out_proj", b.num_labels());
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  const std::string predictions = "generator_predictions";
  ValueId x = b.linear(hidden, predictions + ".dense", b.config().embedding_size);
  x = b.activation(x, Activation::kGelu, predictions + ".activation");
  x = b.layer_norm(x, predictions + ".LayerNorm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "generator_lm_head.bias");
}

}  // namespace

constinit const FamilyParts kElectra = {
    .encoder = encoder,
    .classifier = classifier,
    .masked_lm = masked_lm,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "generator_predictions.dense.weight",
    .decoder = "generator_lm_head",
};

}  // namespace tamis::models
