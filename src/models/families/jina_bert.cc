// JinaBERT (jina-embeddings-v2): BERT whose scores fall with the distance of two tokens (ALiBi) in
// place of a table of positions, and whose feed-forward layers are gated. Checkpoints bring their
// class with them and call themselves bert; transformers has none. There are two such classes: that
// of v2-base-code has norms of queries and keys, and more sums and norms around its modules.
// Source: https://huggingface.co/jinaai/jina-bert-implementation, modeling_bert.py, and
// https://huggingface.co/jinaai/jina-bert-v2-qk-post-norm, modeling_bert.py
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

ValueId norm(Builder& b, ValueId x, const std::string& module) {
  return b.layer_norm(x, module, b.config().layer_norm_eps);
}

// Whether the checkpoint is of the class with norms of queries and keys.
bool norms_queries(Builder& b) {
  return b.weights().has(b.path("encoder.layer.0.attention.self.layer_norm_q.weight"));
}

ValueId attention(Builder& b, ValueId x, const std::string& module) {
  const ModelConfig& config = b.config();
  const std::string self = module + ".self";
  AttentionOperands operands = bert_projections(b, x, self);
  if (norms_queries(b)) {
    operands.q = norm(b, operands.q, self + ".layer_norm_q");
    operands.k = norm(b, operands.k, self + ".layer_norm_k");
  }
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

// Where the halves of a gated layer lie: rows of `packed`, and the modules around it.
struct GatedLayer {
  std::string packed;
  int64_t gate_row;
  int64_t up_row;
  std::string down;
};

ValueId gated(Builder& b, ValueId x, const GatedLayer& layer, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string& packed = layer.packed;
  const ValueId gate =
      b.linear_rows(x, packed + ".gate", n, {packed, layer.gate_row, 2 * n}, Bias::kNone);
  const ValueId up =
      b.linear_rows(x, packed + ".up", n, {packed, layer.up_row, 2 * n}, Bias::kNone);
  const ValueId active = b.activation(gate, gate_activation(b.config().fields), module + ".act");
  return b.linear(b.multiply(active, up, module), layer.down, b.config().hidden_size);
}

ValueId layer(Builder& b, ValueId x, const std::string& module) {
  const int64_t n = b.config().intermediate_size;
  const std::string mlp = module + ".mlp";
  const ValueId attended = attention(b, x, module + ".attention");
  if (!norms_queries(b)) {
    const ValueId narrow = gated(b, attended, {mlp + ".gated_layers", 0, n, mlp + ".wo"}, mlp);
    return norm(b, b.add(narrow, attended, mlp), mlp + ".layernorm");
  }
  const ValueId y = norm(b, b.add(attended, x, module), module + ".layer_norm_1");
  const ValueId narrow = gated(b, y, {mlp + ".up_gated_layer", n, 0, mlp + ".down_layer"}, mlp);
  return norm(b, b.add(narrow, y, mlp), module + ".layer_norm_2");
}

ValueId encoder(Builder& b) {
  ValueId x = norm(b, bert_words_and_segments(b), b.path("embeddings.LayerNorm"));
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    x = layer(b, x, b.path(cat("encoder.layer.", i)));
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
