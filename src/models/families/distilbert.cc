// DistilBERT: no segments, no pooler, its own module names.
// Source: transformers, models/distilbert/modeling_distilbert.py
#include "base/error.h"
#include "models/builder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// Written into the modules, whatever config.json says.
constexpr double kLayerNormEps = 1e-12;

ValueId embeddings(Builder& b) {
  const std::string module = b.path("embeddings");
  const int64_t n = b.config().hidden_size;
  const ValueId words = b.word_embedding(module + ".word_embeddings", n);
  const ValueId sum = b.add(words, b.position_embedding(module, n, {}), module);
  return b.layer_norm(sum, module + ".LayerNorm", kLayerNormEps);
}

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const std::string attention = module + ".attention";
  const ValueId q = b.linear(x, attention + ".q_lin", n);
  const ValueId k = b.linear(x, attention + ".k_lin", n);
  const ValueId v = b.linear(x, attention + ".v_lin", n);
  const ValueId context = b.attention(q, k, v, attention);
  const ValueId projected = b.linear(context, attention + ".out_lin", n);
  const ValueId attended =
      b.layer_norm(b.add(projected, x, module), module + ".sa_layer_norm", kLayerNormEps);

  const std::string ffn = module + ".ffn";
  const ValueId wide = b.linear(attended, ffn + ".lin1", b.config().intermediate_size);
  const ValueId active = b.activation(wide, b.config().hidden_act, ffn + ".activation");
  const ValueId narrow = b.linear(active, ffn + ".lin2", n);
  return b.layer_norm(b.add(narrow, attended, module), module + ".output_layer_norm",
                      kLayerNormEps);
}

ValueId encoder(Builder& b) {
  ValueId hidden = embeddings(b);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("transformer.layer.", i)));
  }
  return hidden;
}

ValueId classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "pre_classifier");
  const ValueId dense = b.linear(first, "pre_classifier", b.config().hidden_size);
  const ValueId active = b.activation(dense, Activation::kRelu, "pre_classifier");
  return b.linear(active, "classifier", b.num_labels());
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  ValueId x = b.linear(hidden, "vocab_transform", b.config().hidden_size);
  x = b.activation(x, b.config().hidden_act, "activation");
  x = b.layer_norm(x, "vocab_layer_norm", kLayerNormEps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "vocab_projector.bias");
}

}  // namespace

constinit const FamilyParts kDistilBert = {
    .encoder = encoder,
    .classifier = classifier,
    .masked_lm = masked_lm,
    .classifier_weights = {"pre_classifier.weight", "classifier.weight"},
    .masked_lm_weight = "vocab_transform.weight",
    .decoder = "vocab_projector",
};

}  // namespace tamis::models
