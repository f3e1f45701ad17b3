// MPNet: BERT's encoder with RoBERTa's positions and heads, and a bias by distance that all layers
// share. Source: transformers, models/mpnet/modeling_mpnet.py
#include "base/error.h"
#include "models/bert_encoder.h"
#include "models/roberta_heads.h"

namespace tamis::models {

using graph::ValueId;

namespace {

// Written into the modeling file, whatever config.json says.
constexpr int64_t kPaddingIdx = 1;
constexpr int64_t kBuckets = 32;
constexpr int64_t kMaxDistance = 128;

ValueId attention(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().hidden_size;
  AttentionOperands operands;
  operands.q = b.linear(x, module + ".q", n);
  operands.k = b.linear(x, module + ".k", n);
  operands.v = b.linear(x, module + ".v", n);
  graph::AttentionAttributes fields;
  fields.heads = b.config().num_attention_heads;
  fields.scale = attention_scale(n / fields.heads);
  fields.bias = graph::BiasRule::kT5;
  fields.max_distance = kMaxDistance;
  operands.bias =
      b.parameter(b.path("encoder.relative_attention_bias.weight"), Shape{kBuckets, fields.heads});
  return b.linear(b.attention(operands, fields, module), module + ".o", n);
}

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const ModelConfig& config = b.config();
  const std::string attention_module = module + ".attention";
  const ValueId context = attention(b, x, attention_module + ".attn");
  const ValueId attended = b.layer_norm(b.add(context, x, attention_module),
                                        attention_module + ".LayerNorm", config.layer_norm_eps);
  return bert_feed_forward(b, attended, module);
}

ValueId encoder(Builder& b) {
  ValueId hidden = bert_embeddings(b, {graph::PositionRule::kRoberta, kPaddingIdx});
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("encoder.layer.", i)));
  }
  return hidden;
}

int64_t max_positions(const ModelConfig& config) {
  return roberta_max_positions(config, kPaddingIdx);
}

}  // namespace

constinit const FamilyParts kMpnet = {
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
