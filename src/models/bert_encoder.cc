#include "models/bert_encoder.h"

#include "base/error.h"
#include "models/relative_keys.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const std::string attention = module + ".attention";
  const ValueId context = bert_self_attention(b, x, attention);
  return bert_feed_forward(b, bert_output(b, context, x, attention + ".output"), module);
}

}  // namespace

ValueId bert_words_and_segments(Builder& b) {
  const std::string module = b.path("embeddings");
  const int64_t n = b.config().embedding_size;
  const ValueId words = b.word_embedding(module + ".word_embeddings", n);
  if (b.config().type_vocab_size == 0) return words;
  return b.add(words, b.token_type_embedding(module, n), module);
}

ValueId bert_embedding_sum(Builder& b, const graph::PositionIdsAttributes& rule) {
  const std::string module = b.path("embeddings");
  const ValueId sum = bert_words_and_segments(b);
  if (position_kind(b.config().fields) != PositionKind::kAbsolute) {
    b.leave(module + ".position_embeddings.weight");
    return sum;
  }
  return b.add(sum, b.position_embedding(module, b.config().embedding_size, rule), module);
}

ValueId bert_embeddings(Builder& b, const graph::PositionIdsAttributes& rule) {
  return b.layer_norm(bert_embedding_sum(b, rule), b.path("embeddings.LayerNorm"),
                      b.config().layer_norm_eps);
}

AttentionOperands bert_projections(Builder& b, ValueId x, const std::string& self) {
  const int64_t n = b.config().hidden_size;
  AttentionOperands operands;
  operands.q = b.linear(x, self + ".query", n);
  operands.k = b.linear(x, self + ".key", n);
  operands.v = b.linear(x, self + ".value", n);
  return operands;
}

ValueId bert_self_attention(Builder& b, ValueId x, const std::string& attention) {
  const std::string self = attention + ".self";
  return attention_by_kind(b, bert_projections(b, x, self), self);
}

ValueId bert_output(Builder& b, ValueId x, ValueId residual, const std::string& module) {
  const ValueId dense = b.linear(x, module + ".dense", b.config().hidden_size);
  const ValueId sum = b.add(dense, residual, module);
  return b.layer_norm(sum, module + ".LayerNorm", b.config().layer_norm_eps);
}

ValueId bert_feed_forward(Builder& b, ValueId x, const std::string& layer) {
  const std::string intermediate = layer + ".intermediate";
  const ValueId wide = b.linear(x, intermediate + ".dense", b.config().intermediate_size);
  const ValueId active =
      b.activation(wide, b.config().hidden_act, intermediate + ".intermediate_act_fn");
  return bert_output(b, active, x, layer + ".output");
}

ValueId bert_layers(Builder& b, ValueId hidden) {
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("encoder.layer.", i)));
  }
  return hidden;
}

ValueId bert_pooler(Builder& b, ValueId hidden) {
  const std::string pooler = b.path("pooler");
  const ValueId first = b.first_token(hidden, pooler);
  const ValueId dense = b.linear(first, pooler + ".dense", b.config().hidden_size);
  return b.activation(dense, Activation::kTanh, pooler + ".activation");
}

ValueId bert_classifier(Builder& b, ValueId hidden) {
  return b.linear(bert_pooler(b, hidden), "classifier", b.num_labels());
}

ValueId bert_masked_lm(Builder& b, ValueId hidden) {
  const std::string transform = "cls.predictions.transform";
  ValueId x = b.linear(hidden, transform + ".dense", b.config().hidden_size);
  x = b.activation(x, b.config().hidden_act, transform + ".transform_act_fn");
  x = b.layer_norm(x, transform + ".LayerNorm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "cls.predictions.bias");
}

}  // namespace tamis::models
