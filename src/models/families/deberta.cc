// DeBERTa (v1), and DeBERTa-v2, -v3 and mDeBERTa: attention that adds to the product of two
// contents those of each content with the other's relative position.
//
// The products of the position embeddings with each layer's projections do not depend on the text:
// they are constants of the graph, [2 * span, hidden], made here.
// Source: transformers, models/deberta/modeling_deberta.py,
// models/deberta_v2/modeling_deberta_v2.py
#include <cmath>

#include "base/error.h"
#include "models/bert_encoder.h"
#include "models/position_tables.h"

namespace tamis::models {

using graph::ValueId;

namespace {

constexpr int64_t kMaxPositions = 1 << 20;

/// What the two configurations say of positions.
struct Positions {
  bool relative = false;
  bool c2p = false;  // content to position: queries times position keys
  bool p2c = false;  // and back: keys times position queries
  bool share_key = false;
  bool norm = false;
  int64_t buckets = 0;
  int64_t max_relative = 0;

  [[nodiscard]] int64_t span() const { return buckets > 0 ? buckets : max_relative; }
  [[nodiscard]] int64_t scale_factor() const { return 1 + (c2p ? 1 : 0) + (p2c ? 1 : 0); }
};

std::vector<std::string> split_at_bars(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t bar = text.find('|');
    std::string_view part = text.substr(0, bar);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    if (bar == text.npos) return parts;
    text.remove_prefix(bar + 1);
  }
}

// "p2c|c2p", or an array of the two.
std::vector<std::string> attention_types(const ConfigFields& fields) {
  const JsonView value = fields.get("pos_att_type");
  if (!value.is_array()) {
    return value ? split_at_bars(fields.text("pos_att_type", "")) : std::vector<std::string>();
  }
  std::vector<std::string> types;
  for (size_t i = 0; i < value.size(); ++i) {
    types.emplace_back(value.at(i).as_string(fields.what("pos_att_type")));
  }
  return types;
}

void read_attention_types(const ConfigFields& fields, Positions& positions) {
  for (const std::string& type : attention_types(fields)) {
    bool& term = type == "c2p" ? positions.c2p : positions.p2c;
    if ((type != "c2p" && type != "p2c") || term) {
      fields.refuse("pos_att_type", json_quote(type.substr(0, 200)), "c2p and p2c, each once");
    }
    term = true;
  }
}

void read_buckets(const ConfigFields& fields, Positions& positions) {
  positions.buckets =
      std::max<int64_t>(fields.integer("position_buckets", -1, -kMaxPositions, kMaxPositions), 0);
  const int64_t buckets = positions.buckets;
  if (buckets == 0) return;
  if (buckets < 4 || buckets % 2 != 0 || positions.max_relative - 1 <= buckets / 2) {
    fields.refuse("position_buckets", cat(buckets),
                  cat("even numbers from 4 to ", 2 * positions.max_relative - 4));
  }
}

Positions read_positions(const Builder& b, bool v2) {
  const ModelConfig& config = b.config();
  const ConfigFields& fields = config.fields;
  Positions positions;
  positions.relative = fields.flag("relative_attention", false);
  read_attention_types(fields, positions);
  const int64_t most = fields.integer("max_relative_positions", -1, -kMaxPositions, kMaxPositions);
  positions.max_relative = most < 1 ? config.max_position_embeddings : most;
  if (!v2) return positions;
  read_buckets(fields, positions);
  positions.share_key = fields.flag("share_att_key", false);
  for (const std::string& norm : split_at_bars(fields.text("norm_rel_ebd", "none"))) {
    if (norm == "layer_norm") {
      positions.norm = true;
    } else if (norm != "none") {
      fields.refuse("norm_rel_ebd", json_quote(norm.substr(0, 200)), "none and layer_norm");
    }
  }
  return positions;
}

/// The position embeddings of all layers.
struct Relative {
  Positions positions;
  std::shared_ptr<const Tensor> table;  // [2 * span, hidden]; null where nothing is relative
};

Relative read_relative(Builder& b, bool v2) {
  Relative relative;
  relative.positions = read_positions(b, v2);
  if (!relative.positions.relative) return relative;
  const int64_t n = b.config().hidden_size;
  relative.table =
      b.load(b.path("encoder.rel_embeddings.weight"), Shape{2 * relative.positions.span(), n});
  if (relative.positions.norm) {
    const std::string norm = b.path("encoder.LayerNorm");
    relative.table = std::make_shared<const Tensor>(
        normalize_rows(*relative.table, *b.load(norm + ".weight", Shape{n}),
                       *b.load(norm + ".bias", Shape{n}), b.config().layer_norm_eps));
  }
  return relative;
}

ValueId embeddings(Builder& b) {
  const ModelConfig& config = b.config();
  const std::string module = b.path("embeddings");
  ValueId sum = b.word_embedding(module + ".word_embeddings", config.embedding_size);
  if (config.fields.flag("position_biased_input", true)) {
    sum = b.add(sum, b.position_embedding(module, config.embedding_size, {}), module);
  }
  if (config.type_vocab_size > 0) {
    sum = b.add(sum, b.token_type_embedding(module, config.embedding_size), module);
  }
  if (config.embedding_size != config.hidden_size) {
    sum = b.matmul(sum, module + ".embed_proj", config.hidden_size);
  }
  return b.layer_norm(sum, module + ".LayerNorm", config.layer_norm_eps);
}

graph::AttentionAttributes attributes(const Builder& b, const Relative& relative) {
  graph::AttentionAttributes fields;
  fields.heads = b.config().num_attention_heads;
  const Positions& positions = relative.positions;
  fields.scale = attention_scale(b.config().hidden_size / fields.heads * positions.scale_factor());
  if (positions.relative && (positions.c2p || positions.p2c)) {
    fields.position_buckets = positions.buckets;
    fields.max_relative_positions = positions.max_relative;
  }
  return fields;
}

/// Modules of a layer that position embeddings go through.
struct TableModules {
  std::string keys;
  std::string queries;
  bool keys_have_bias;
};

void add_position_tables(Builder& b, const Relative& relative, const std::string& self,
                         const TableModules& modules, AttentionOperands& operands) {
  const Positions& positions = relative.positions;
  if (!positions.relative) return;
  const auto table = [&](const std::string& module, bool bias, std::string_view name) {
    return b.projected(*relative.table, module, bias, cat(self, ".", name));
  };
  if (positions.c2p) {
    operands.position_keys = table(modules.keys, modules.keys_have_bias, "position_keys");
  }
  if (positions.p2c) operands.position_queries = table(modules.queries, true, "position_queries");
}

// v1 keeps q, k and v in one weight, head by head; a bias have q and v alone.
AttentionOperands project_v1(Builder& b, ValueId x, const std::string& self) {
  const int64_t n = b.config().hidden_size;
  const int64_t size = n / b.config().num_attention_heads;
  const std::shared_ptr<const Tensor> stacked = b.load(self + ".in_proj.weight", Shape{3 * n, n});
  const auto part = [&](int64_t which, std::string_view name, std::shared_ptr<const Tensor> bias) {
    Tensor weight(DType::kF32, Shape{n, n});
    for (int64_t row = 0; row < n; ++row) {
      const int64_t from = (row / size * 3 + which) * size + row % size;
      std::copy_n(stacked->as<float>().begin() + from * n, n,
                  weight.mutable_as<float>().begin() + row * n);
    }
    const std::string module = cat(self, ".in_proj.", name);
    return b.linear_of(x, module, {std::make_shared<const Tensor>(std::move(weight)), bias});
  };
  const auto zeros = std::make_shared<const Tensor>(Tensor(DType::kF32, Shape{n}));
  AttentionOperands operands;
  operands.q = part(0, "q", b.load(self + ".q_bias", Shape{n}));
  operands.k = part(1, "k", zeros);
  operands.v = part(2, "v", b.load(self + ".v_bias", Shape{n}));
  return operands;
}

AttentionOperands project_v2(Builder& b, ValueId x, const std::string& self) {
  const int64_t n = b.config().hidden_size;
  AttentionOperands operands;
  operands.q = b.linear(x, self + ".query_proj", n);
  operands.k = b.linear(x, self + ".key_proj", n);
  operands.v = b.linear(x, self + ".value_proj", n);
  return operands;
}

ValueId attention(Builder& b, ValueId x, const std::string& self, const Relative& relative,
                  bool v2) {
  AttentionOperands operands = v2 ? project_v2(b, x, self) : project_v1(b, x, self);
  TableModules modules = {self + ".pos_proj", self + ".pos_q_proj", false};
  if (v2) {
    const bool shared = relative.positions.share_key;
    modules = {self + (shared ? ".key_proj" : ".pos_key_proj"),
               self + (shared ? ".query_proj" : ".pos_query_proj"), true};
  }
  add_position_tables(b, relative, self, modules, operands);
  return b.attention(operands, attributes(b, relative), self);
}

ValueId layer(Builder& b, ValueId x, const std::string& module, const Relative& relative, bool v2) {
  const ValueId context = attention(b, x, module + ".attention.self", relative, v2);
  return bert_feed_forward(b, bert_output(b, context, x, module + ".attention.output"), module);
}

// Columns [j * n, (j + 1) * n) multiply the token j - width / 2 places on.
LinearTensors convolution(Builder& b, const std::string& module, int64_t width) {
  const int64_t n = b.config().hidden_size;
  const auto stored = b.load(module + ".weight", Shape{n, n, width});
  Tensor weight(DType::kF32, Shape{n, width * n});
  const auto from = stored->as<float>();
  const auto to = weight.mutable_as<float>();
  for (size_t i = 0; i < from.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t row = at / (n * width);
    const int64_t column = at % width * n + at / width % n;
    to[static_cast<size_t>(row * n * width + column)] = from[i];
  }
  return {std::make_shared<const Tensor>(std::move(weight)), b.load(module + ".bias", Shape{n})};
}

// The convolution of the embeddings that stands beside the first layer of large v2 models.
ValueId add_convolution(Builder& b, ValueId embedded, ValueId hidden, int64_t width) {
  const std::string module = b.path("encoder.conv");
  const ValueId around = b.graph().add_node(graph::OpKind::kUnfold, {embedded},
                                            graph::UnfoldAttributes{width}, module);
  ValueId x = b.linear_of(around, module + ".conv", convolution(b, module + ".conv", width));
  x = b.activation(x, b.config().fields.activation("conv_act", "tanh"), module);
  return b.layer_norm(b.add(hidden, x, module), module + ".LayerNorm", b.config().layer_norm_eps);
}

// 0: there is none.
int64_t convolution_width(const ConfigFields& fields) {
  constexpr int64_t kMost = 255;
  const int64_t width = fields.integer("conv_kernel_size", 0, 0, kMost);
  if (width > 0 && width % 2 == 0) fields.refuse("conv_kernel_size", cat(width), "odd numbers");
  return width;
}

ValueId layers(Builder& b, bool v2) {
  const ValueId embedded = embeddings(b);
  const int64_t width = v2 ? convolution_width(b.config().fields) : 0;
  ValueId hidden = embedded;
  const Relative relative = read_relative(b, v2);
  for (int64_t i = 0; i < b.config().num_hidden_layers; ++i) {
    hidden = layer(b, hidden, b.path(cat("encoder.layer.", i)), relative, v2);
    if (i == 0 && width > 0) hidden = add_convolution(b, embedded, hidden, width);
  }
  return hidden;
}

ValueId encoder_v1(Builder& b) { return layers(b, false); }

ValueId encoder_v2(Builder& b) {
  const ConfigFields& fields = b.config().fields;
  const int64_t head_size = b.config().hidden_size / b.config().num_attention_heads;
  if (const int64_t size = fields.integer("attention_head_size", head_size, 1, kMaxPositions);
      size != head_size) {
    fields.refuse("attention_head_size", cat(size), cat(head_size));
  }
  return layers(b, true);
}

// ContextPooler on the first token, then a linear layer.
ValueId classifier(Builder& b, ValueId hidden) {
  const ConfigFields& fields = b.config().fields;
  const int64_t n = b.config().hidden_size;
  if (const int64_t size = fields.integer("pooler_hidden_size", n, 1, kMaxPositions); size != n) {
    fields.refuse("pooler_hidden_size", cat(size), cat(n));
  }
  const ValueId first = b.first_token(hidden, "pooler");
  const ValueId dense = b.linear(first, "pooler.dense", n);
  const ValueId active =
      b.activation(dense, fields.activation("pooler_hidden_act", "gelu"), "pooler");
  return b.linear(active, "classifier", b.num_labels());
}

// `legacy` heads narrow to the embeddings' width, the others keep the hidden size.
ValueId masked_lm(Builder& b, ValueId hidden) {
  const ModelConfig& config = b.config();
  const bool legacy = config.fields.flag("legacy", true);
  const std::string module = legacy ? "cls.predictions.transform" : "lm_predictions.lm_head";
  const int64_t n = legacy ? config.embedding_size : config.hidden_size;
  ValueId x = b.linear(hidden, module + ".dense", n);
  x = b.activation(x, config.hidden_act, module + ".transform_act_fn");
  x = b.layer_norm(x, module + ".LayerNorm", config.layer_norm_eps);
  return b.decoder(x, b.path("embeddings.word_embeddings"),
                   legacy ? "cls.predictions.bias" : "lm_predictions.lm_head.bias");
}

constexpr FamilyParts with_encoder(ValueId (*encoder)(Builder&)) {
  return {
      .encoder = encoder,
      .classifier = classifier,
      .masked_lm = masked_lm,
      .classifier_weights = {"pooler.dense.weight", "classifier.weight"},
      .masked_lm_weight = "cls.predictions.transform.dense.weight",
      .decoder = "cls.predictions.decoder",
  };
}

}  // namespace

constinit const FamilyParts kDeberta = with_encoder(encoder_v1);
constinit const FamilyParts kDebertaV2 = with_encoder(encoder_v2);

}  // namespace tamis::models
