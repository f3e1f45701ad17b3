// DPR's two encoders, of questions and of passages: BERT embedding by its first token.
// Source: transformers, models/dpr/modeling_dpr.py
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMaxProjection = 65536;

ValueId encoder(Builder& b) { return bert_layers(b, bert_embeddings(b, {})); }

// The first token, projected if the checkpoint says so.
ValueId embedding(Builder& b, ValueId hidden) {
  std::string module(b.family().prefix);
  module.resize(module.rfind('.'));  // "question_encoder.bert_model"
  const ValueId first = b.first_token(hidden, module);
  const int64_t n = b.config().fields.integer("projection_dim", 0, 0, kMaxProjection);
  return n == 0 ? first : b.linear(first, module + ".encode_proj", n);
}

}  // namespace

constinit const FamilyParts kDpr = {
    .encoder = encoder,
    .embedding = embedding,
};

}  // namespace tamis::models
