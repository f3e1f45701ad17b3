// RoBERTa (DistilRoBERTa), CamemBERT, XLM-RoBERTa: BERT's encoder with positions that count from
// the padding token. Source: transformers, models/roberta/modeling_roberta.py
#include "base/error.h"
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

int64_t padding_idx(const ModelConfig& config) {
  if (!config.pad_token_id) {
    fail(ErrorCode::kUnsupported, "config.json: pad_token_id is null, but ", config.model_type,
         " counts positions from it; 1 is usual");
  }
  return *config.pad_token_id;
}

// The table's rows up to padding_idx are never a token's position.
int64_t max_positions(const ModelConfig& config) {
  const int64_t unused = padding_idx(config) + 1;
  if (config.max_position_embeddings <= unused) {
    fail(ErrorCode::kCorruptData, "config.json: max_position_embeddings is ",
         config.max_position_embeddings, "; with pad_token_id ", unused - 1, " at least ",
         unused + 1, " are needed");
  }
  return config.max_position_embeddings - unused;
}

ValueId encoder(Builder& b) {
  const graph::PositionIdsAttributes rule{graph::PositionRule::kRoberta, padding_idx(b.config())};
  return bert_layers(b, bert_embeddings(b, rule));
}

// dense, tanh, out_proj on <s>.
ValueId classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "classifier");
  const ValueId dense = b.linear(first, "classifier.dense", b.config().hidden_size);
  const ValueId active = b.activation(dense, Activation::kTanh, "classifier");
  return b.linear(active, "classifier.out_proj", b.config().num_labels);
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  ValueId x = b.linear(hidden, "lm_head.dense", b.config().hidden_size);
  x = b.activation(x, Activation::kGelu, "lm_head");
  x = b.layer_norm(x, "lm_head.layer_norm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "lm_head.bias");
}

}  // namespace

constinit const FamilyParts kRoberta = {
    .encoder = encoder,
    .classifier = classifier,
    .pooler = bert_pooler,
    .masked_lm = masked_lm,
    .max_positions = max_positions,
    .classifier_weights = {"classifier.dense.weight", "classifier.out_proj.weight"},
    .masked_lm_weight = "lm_head.dense.weight",
    .decoder = "lm_head.decoder",
};

}  // namespace tamis::models
