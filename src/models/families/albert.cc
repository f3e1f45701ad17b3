// ALBERT: groups of layers that share their weights, and a projection of smaller embeddings.
// Source: transformers, models/albert/modeling_albert.py
#include "base/error.h"
#include "models/bert_encoder.h"
#include "models/relative_keys.h"

namespace tamis::models {

using graph::ValueId;

namespace {

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const double epsilon = b.config().layer_norm_eps;
  const std::string attention = module + ".attention";
  const ValueId context =
      attention_by_kind(b, bert_projections(b, x, attention), attention, DistanceSum::kBehindScale);
  const ValueId projected = b.linear(context, attention + ".dense", n);
  const ValueId attended =
      b.layer_norm(b.add(x, projected, attention), attention + ".LayerNorm", epsilon);

  const ValueId wide = b.linear(attended, module + ".ffn", b.config().intermediate_size);
  const ValueId active = b.activation(wide, b.config().hidden_act, module + ".activation");
  const ValueId narrow = b.linear(active, module + ".ffn_output", n);
  return b.layer_norm(b.add(narrow, attended, module), module + ".full_layer_layer_norm", epsilon);
}

// Inner layers cost a graph nodes but a file nothing, as they share weights. The published models
// have 12 in all.
constexpr int64_t kMaxLayers = 256;

// int(layer / (layers / groups)) in floating point, as transformers computes it.
int64_t group_of(int64_t layer, const ModelConfig& config) {
  const double layers_per_group =
      static_cast<double>(config.num_hidden_layers) / static_cast<double>(config.num_hidden_groups);
  return static_cast<int64_t>(static_cast<double>(layer) / layers_per_group);
}

ValueId encoder(Builder& b) {
  const ModelConfig& config = b.config();
  if (config.num_hidden_layers * config.inner_group_num > kMaxLayers) {
    fail(ErrorCode::kUnsupported, "config.json: num_hidden_layers ", config.num_hidden_layers,
         " times inner_group_num ", config.inner_group_num, " is over ", kMaxLayers, " layers");
  }
  ValueId hidden = bert_embeddings(b, {});
  hidden = b.linear(hidden, b.path("encoder.embedding_hidden_mapping_in"), config.hidden_size);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string group =
        b.path(cat("encoder.albert_layer_groups.", group_of(i, config), ".albert_layers."));
    for (int64_t inner = 0; inner < config.inner_group_num; ++inner) {
      hidden = layer(b, hidden, cat(group, inner));
    }
  }
  return hidden;
}

ValueId pooler(Builder& b, ValueId hidden) {
  const std::string module = b.path("pooler");
  const ValueId first = b.first_token(hidden, module);
  const ValueId dense = b.linear(first, module, b.config().hidden_size);
  return b.activation(dense, Activation::kTanh, b.path("pooler_activation"));
}

ValueId classifier(Builder& b, ValueId hidden) {
  return b.linear(pooler(b, hidden), "classifier", b.num_labels());
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  ValueId x = b.linear(hidden, "predictions.dense", b.config().embedding_size);
  x = b.activation(x, b.config().hidden_act, "predictions.activation");
  x = b.layer_norm(x, "predictions.LayerNorm", b.config().layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"), "predictions.bias");
}

}  // namespace

constinit const FamilyParts kAlbert = {
    .encoder = encoder,
    .classifier = classifier,
    .pooler = pooler,
    .masked_lm = masked_lm,
    .classifier_weights = {"albert.pooler.weight", "classifier.weight"},
    .masked_lm_weight = "predictions.dense.weight",
    .decoder = "predictions.decoder",
};

}  // namespace tamis::models
