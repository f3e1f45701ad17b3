#include "models/roberta_heads.h"

#include "base/error.h"

namespace tamis::models {

using graph::ValueId;

ValueId roberta_classifier(Builder& b, ValueId hidden) {
  const ValueId first = b.first_token(hidden, "classifier");
  const ValueId dense = b.linear(first, "classifier.dense", b.config().hidden_size);
  const ValueId active = b.activation(dense, Activation::kTanh, "classifier");
  return b.linear(active, "classifier.out_proj", b.num_labels());
}

ValueId roberta_masked_lm(Builder& b, ValueId hidden) {
  ValueId x = b.linear(hidden, "lm_head.dense", b.config().hidden_size);
  x = b.activation(x, Activation::kGelu, "lm_head");
  x = b.layer_norm(x, "lm_head.layer_norm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "lm_head.bias");
}

int64_t roberta_padding_idx(const ModelConfig& config) {
  if (!config.pad_token_id) {
    fail(ErrorCode::kUnsupported, "config.json: pad_token_id is null, but ", config.model_type,
         " counts positions from it; 1 is usual");
  }
  return *config.pad_token_id;
}

int64_t roberta_max_positions(const ModelConfig& config, int64_t padding_idx) {
  const int64_t unused = padding_idx + 1;
  if (config.max_position_embeddings <= unused) {
    fail(ErrorCode::kCorruptData, "config.json: max_position_embeddings is ",
         config.max_position_embeddings, "; with pad_token_id ", padding_idx, " at least ",
         unused + 1, " are needed");
  }
  return config.max_position_embeddings - unused;
}

}  // namespace tamis::models
