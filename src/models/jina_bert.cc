// JinaBERT (jina-embeddings-v2): BERT whose scores fall with the distance of two tokens (ALiBi) in
// place of a table of positions, and whose feed-forward layers are gated. Checkpoints bring their
// class with them and call themselves bert; transformers has none.
// Source: https://huggingface.co/jinaai/jina-bert-implementation, modeling_bert.py
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "models/bert_encoder.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

// Slopes that fall from head to head by one factor, down to 2^-8.
void append_slopes(int64_t heads, int64_t step, int64_t count, std::vector<float>& slopes) {
  const double factor = std::pow(2.0, -8.0 / static_cast<double>(heads));
  for (int64_t i = 0; i < count; ++i) {
    slopes.push_back(static_cast<float>(std::pow(factor, static_cast<double>(i * step + 1))));
  }
}

// Of heads that are no power of two, the others are every second slope of twice as many.
std::vector<float> alibi_slopes(int64_t heads) {
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<float> slopes;
  append_slopes(power, 1, power, slopes);
  append_slopes(2 * power, 2, heads - power, slopes);
  return slopes;
}

ValueId slopes(Builder& b) {
  constexpr std::string_view kName = "alibi_slopes";
  const ValueId known = b.graph().find_value(kName);
  if (known != graph::kNoValue) return known;
  const std::vector<float> values = alibi_slopes(b.config().num_attention_heads);
  const Shape shape{static_cast<int64_t>(values.size())};
  return b.graph().add_constant(
      kName, std::make_shared<const Tensor>(Tensor::from(shape, std::span<const float>(values))));
}

ValueId attention(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().hidden_size;
  const std::string self = module + ".self";
  const ValueId q = b.linear(x, self + ".query", n);
  const ValueId k = b.linear(x, self + ".key", n);
  const ValueId v = b.linear(x, self + ".value", n);
  graph::AttentionAttributes attributes =
      b.attention_attributes(n / b.config().num_attention_heads);
  attributes.bias = graph::BiasRule::kAlibi;
  attributes.max_distance = b.config().max_position_embeddings;
  const ValueId context =
      b.attention({.q = q, .k = k, .v = v, .bias = slopes(b)}, attributes, self);
  const ValueId dense = b.linear(context, module + ".output.dense", n);
  return b.layer_norm(b.add(dense, x, module + ".output"), module + ".output.LayerNorm",
                      b.config().layer_norm_eps);
}

Activation gate_activation(const ConfigFields& fields) {
  const std::string type = fields.text("feed_forward_type", "original");
  if (type == "geglu") return Activation::kGelu;
  if (type == "reglu") return Activation::kRelu;
  fields.refuse("feed_forward_type", json_quote(type.substr(0, 200)), "geglu and reglu");
}

ValueId feed_forward(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string packed = module + ".gated_layers";
  const ValueId gate = b.linear_rows(x, packed + ".gate", n, {packed, 0, 2 * n}, Bias::kNone);
  const ValueId up = b.linear_rows(x, packed + ".up", n, {packed, n, 2 * n}, Bias::kNone);
  const ValueId active = b.activation(gate, gate_activation(b.config().fields), module + ".act");
  const ValueId narrow =
      b.linear(b.multiply(active, up, module), module + ".wo", b.config().hidden_size);
  return b.layer_norm(b.add(narrow, x, module), module + ".layernorm", b.config().layer_norm_eps);
}

ValueId encoder(Builder& b) {
  const std::string embeddings = b.path("embeddings");
  const int64_t n = b.config().hidden_size;
  ValueId x = b.word_embedding(embeddings + ".word_embeddings", n);
  if (b.config().type_vocab_size > 0) {
    x = b.add(x, b.token_type_embedding(embeddings, n), embeddings);
  }
  x = b.layer_norm(x, embeddings + ".LayerNorm", b.config().layer_norm_eps);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    const std::string module = b.path(cat("encoder.layer.", i));
    x = feed_forward(b, attention(b, x, module + ".attention"), module + ".mlp");
  }
  return x;
}

ValueId classifier(Builder& b, ValueId hidden) { return kBert.classifier(b, hidden); }
ValueId masked_lm(Builder& b, ValueId hidden) { return kBert.masked_lm(b, hidden); }
int64_t max_positions(const ModelConfig& config) { return config.max_position_embeddings; }

}  // namespace

constinit const FamilyParts kJinaBert = {
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
