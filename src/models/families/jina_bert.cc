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
  const ModelConfig& config = b.config();
  const std::string self = module + ".self";
  AttentionOperands operands = bert_projections(b, x, self);
  operands.bias = slopes(b);
  graph::AttentionAttributes attributes =
      b.attention_attributes(config.hidden_size / config.num_attention_heads);
  attributes.bias = graph::BiasRule::kAlibi;
  attributes.max_distance = config.max_position_embeddings;
  return bert_output(b, b.attention(operands, attributes, self), x, module + ".output");
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
  ValueId x = b.layer_norm(bert_words_and_segments(b), b.path("embeddings.LayerNorm"),
                           b.config().layer_norm_eps);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    const std::string module = b.path(cat("encoder.layer.", i));
    x = feed_forward(b, attention(b, x, module + ".attention"), module + ".mlp");
  }
  return x;
}

}  // namespace

constinit const FamilyParts kJinaBert = {
    .encoder = encoder,
    .classifier = bert_classifier,
    .pooler = bert_pooler,
    .masked_lm = bert_masked_lm,
    .classifier_weights = {"bert.pooler.dense.weight", "classifier.weight"},
    .masked_lm_weight = "cls.predictions.transform.dense.weight",
    .decoder = "cls.predictions.decoder",
};

}  // namespace tamis::models
