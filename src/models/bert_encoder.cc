#include "models/bert_encoder.h"

#include "base/error.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// dense, residual, LayerNorm: the module "output" of attention and of the layer.
ValueId output(Builder& b, ValueId x, ValueId residual, const std::string& module) {
  const ValueId dense = b.linear(x, module + ".dense", b.config().hidden_size);
  const ValueId sum = b.add(dense, residual, module);
  return b.layer_norm(sum, module + ".LayerNorm", b.config().layer_norm_eps);
}

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const std::string attention = module + ".attention";
  const ValueId context = bert_self_attention(b, x, attention);
  return bert_feed_forward(b, output(b, context, x, attention + ".output"), module);
}

}  // namespace

ValueId bert_embedding_sum(Builder& b, const graph::PositionIdsAttributes& rule) {
  const std::string module = b.path("embeddings");
  const int64_t n = b.config().embedding_size;
  ValueId sum = b.word_embedding(module + ".word_embeddings", n);
  if (b.config().type_vocab_size > 0) {
    sum = b.add(sum, b.token_type_embedding(module, n), module);
  }
  return b.add(sum, b.position_embedding(module, n, rule), module);
}

ValueId bert_embeddings(Builder& b, const graph::PositionIdsAttributes& rule) {
  return b.layer_norm(bert_embedding_sum(b, rule), b.path("embeddings.LayerNorm"),
                      b.config().layer_norm_eps);
}

ValueId bert_self_attention(Builder& b, ValueId x, const std::string& attention) {
  const int64_t n = b.config().hidden_size;
  const std::string self = attention + ".self";
  const ValueId q = b.linear(x, self + ".query", n);
  const ValueId k = b.linear(x, self + ".key", n);
  const ValueId v = b.linear(x, self + ".value", n);
  return b.attention(q, k, v, self);
}

ValueId bert_feed_forward(Builder& b, ValueId x, const std::string& layer) {
  const std::string intermediate = layer + ".intermediate";
  const ValueId wide = b.linear(x, intermediate + ".dense", b.config().intermediate_size);
  const ValueId active =
      b.activation(wide, b.config().hidden_act, intermediate + ".intermediate_act_fn");
  return output(b, active, x, layer + ".output");
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

int64_t bert_max_positions(const ModelConfig& config) { return config.max_position_embeddings; }

}  // namespace tamis::models
