#include "models/builder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/position_tables.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

graph::SymbolicShape token_vector() { return {graph::Dim::of(graph::Symbol::kTokens)}; }

template <typename Element>
Tensor runs_of_elements(const Tensor& whole, const PackedRows& source, const Shape& part) {
  Tensor rows(whole.dtype(), part);
  auto out = rows.mutable_as<Element>().begin();
  for (int64_t row = 0; row < part[0]; row += source.run) {
    const int64_t begin = source.begin + row / source.run * source.step;
    const Tensor run = whole.rows(begin, begin + source.run);
    const auto values = run.as<Element>();
    out = std::copy(values.begin(), values.end(), out);
  }
  return rows;
}

Tensor runs_of_rows(const Tensor& whole, const PackedRows& source, const Shape& part) {
  return whole.dtype() == DType::kF32 ? runs_of_elements<float>(whole, source, part)
                                      : runs_of_elements<uint16_t>(whole, source, part);
}

}  // namespace

float attention_scale(int64_t channels) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(channels)));
}

Bias bias_of(const ConfigFields& fields, std::string_view key) {
  return fields.flag(key, false) ? Bias::kAdded : Bias::kNone;
}

Builder::Builder(const Checkpoint& checkpoint, const Family& family, const BuildOptions& options)
    : config_(checkpoint.config()),
      family_(family),
      options_(options),
      weights_(checkpoint, family.prefix, family.parts->spellings),
      num_labels_(checkpoint.config().num_labels),
      input_ids_(graph_.add_input(graph::kInputIds, DType::kI32, token_vector())) {}

std::string Builder::path(std::string_view module) const {
  return cat(family_.prefix, ".", module);
}

ValueId Builder::constant(std::initializer_list<std::string_view> names, const Shape& shape) {
  const std::string_view name = *names.begin();
  const ValueId known = graph_.find_value(name);
  if (known != graph::kNoValue) return known;
  used_.insert(weights_.stored_name(names));
  return graph_.add_constant(name, weights_.load(names, shape));
}

ValueId Builder::matrix(std::initializer_list<std::string_view> names, const Shape& shape) {
  const std::string_view name = *names.begin();
  const ValueId known = graph_.find_value(name);
  if (known != graph::kNoValue) return known;
  used_.insert(weights_.stored_name(names));
  return graph_.add_constant(name, weights_.load_stored(names, shape));
}

ValueId Builder::embedding(std::string_view module, const Shape& table, ValueId ids) {
  const ValueId weight = matrix({cat(module, ".weight")}, table);
  return graph_.add_node(OpKind::kGather, {weight, ids}, graph::NoAttributes{}, module);
}

ValueId Builder::word_embedding(std::string_view module, int64_t n) {
  const ValueId weight = matrix({cat(module, ".weight"), cat(family_.parts->decoder, ".weight")},
                                Shape{config_.vocab_size, n});
  return graph_.add_node(OpKind::kGather, {weight, input_ids_}, graph::NoAttributes{}, module);
}

ValueId Builder::position_embedding(std::string_view embeddings, int64_t n,
                                    const graph::PositionIdsAttributes& rule) {
  const ValueId ids = graph_.add_node(OpKind::kPositionIds, {input_ids_}, rule, embeddings);
  return embedding(cat(embeddings, ".position_embeddings"),
                   Shape{config_.max_position_embeddings, n}, ids);
}

ValueId Builder::token_type_embedding(std::string_view embeddings, int64_t n) {
  const ValueId ids = graph_.add_input(graph::kTokenTypeIds, DType::kI32, token_vector());
  return embedding(cat(embeddings, ".token_type_embeddings"), Shape{config_.type_vocab_size, n},
                   ids);
}

std::shared_ptr<const Tensor> Builder::load(std::string_view name, const Shape& shape) {
  used_.insert(weights_.stored_name({name}));
  return weights_.load({name}, shape);
}

std::shared_ptr<const Tensor> Builder::load_stored(std::string_view name, const Shape& shape) {
  used_.insert(weights_.stored_name({name}));
  return weights_.load_stored({name}, shape);
}

ValueId Builder::table_row(std::string_view module, const Shape& table, int64_t row) {
  const std::string name = cat(module, ".weight");
  const std::shared_ptr<const Tensor> whole = load(name, table);
  const auto n = static_cast<size_t>(table[1]);
  const auto values = whole->as<float>().subspan(static_cast<size_t>(row) * n, n);
  return graph_.add_constant(cat(name, ".", row),
                             std::make_shared<const Tensor>(Tensor::from(Shape{table[1]}, values)));
}

ValueId Builder::matmul(ValueId x, std::string_view module, int64_t n) {
  const ValueId weight = matrix({cat(module, ".weight")}, Shape{n, columns(x)});
  return graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
}

ValueId Builder::linear(ValueId x, std::string_view module, int64_t n, Bias bias) {
  const ValueId product = matmul(x, module, n);
  if (bias == Bias::kNone) return product;
  return add(product, constant({cat(module, ".bias")}, Shape{n}), module);
}

ValueId Builder::linear_of(ValueId x, std::string_view module, const LinearTensors& tensors) {
  const ValueId weight = graph_.add_constant(cat(module, ".weight"), tensors.weight);
  const ValueId product =
      graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
  if (tensors.bias == nullptr) return product;
  return add(product, graph_.add_constant(cat(module, ".bias"), tensors.bias), module);
}

ValueId Builder::projected(const Tensor& x, std::string_view module, bool has_bias,
                           std::string_view name) {
  const int64_t n = config_.hidden_size;
  const auto weight = load(cat(module, ".weight"), Shape{n, x.shape()[1]});
  const auto bias = has_bias ? load(cat(module, ".bias"), Shape{n}) : nullptr;
  Tensor y(DType::kF32, Shape{x.shape()[0], n});
  Projection projection = {x.shape()[0], n, x.shape()[1]};
  projection.x = x.as<float>().data();
  projection.w = weight->as<float>().data();
  projection.bias = has_bias ? bias->as<float>().data() : nullptr;
  projection.y = y.mutable_as<float>().data();
  options_.project ? options_.project(projection) : project_plainly(projection);
  return graph_.add_constant(name, std::make_shared<const Tensor>(std::move(y)));
}

ValueId Builder::linear_rows(ValueId x, std::string_view module, int64_t n,
                             const PackedRows& source, Bias bias) {
  const ValueId weight =
      constant_rows(cat(module, ".weight"), source, ".weight", Shape{n, columns(x)});
  const ValueId product =
      graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
  if (bias == Bias::kNone) return product;
  return add(product, constant_rows(cat(module, ".bias"), source, ".bias", Shape{n}), module);
}

// The rows' memory is that of the whole, unless they are in runs. Weights stay as they are stored.
ValueId Builder::constant_rows(std::string_view name, const PackedRows& source,
                               std::string_view parameter, const Shape& part) {
  const ValueId known = graph_.find_value(name);
  if (known != graph::kNoValue) return known;
  const std::string stored = cat(source.module, parameter);
  used_.insert(weights_.stored_name({stored}));
  const Shape whole = part.rank() == 2 ? Shape{source.rows, part[1]} : Shape{source.rows};
  std::shared_ptr<const Tensor>& tensor = packed_[stored];
  if (tensor == nullptr) {
    tensor =
        part.rank() == 2 ? weights_.load_stored({stored}, whole) : weights_.load({stored}, whole);
  }
  Tensor rows = source.run == 0 ? tensor->rows(source.begin, source.begin + part[0])
                                : runs_of_rows(*tensor, source, part);
  return graph_.add_constant(name, std::make_shared<const Tensor>(std::move(rows)));
}

// A weight of its own wins over the word embeddings, as in transformers 5, and must be there if
// config.json unties them.
std::string Builder::decoder_name(std::string_view word_embeddings) const {
  const std::string tied = cat(word_embeddings, ".weight");
  const std::string own = cat(family_.parts->decoder, ".weight");
  const bool is_tied = weights_.has(own) ? weights_.same(own, tied) || !weights_.has(tied)
                                         : config_.tie_word_embeddings;
  return is_tied ? tied : own;
}

std::shared_ptr<const Tensor> Builder::decoder_weight(std::string_view word_embeddings) {
  return load(decoder_name(word_embeddings), Shape{config_.vocab_size, config_.hidden_size});
}

ValueId Builder::decoder(ValueId x, std::string_view word_embeddings, std::string_view bias) {
  const std::string_view module = family_.parts->decoder;
  const ValueId weight =
      matrix({decoder_name(word_embeddings)}, Shape{config_.vocab_size, columns(x)});
  const ValueId product =
      graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
  if (bias.empty()) return product;
  // Where both are stored, transformers 5 adds the module's own if config.json unties it.
  const std::string own = cat(module, ".bias");
  const bool untied = !config_.tie_word_embeddings && weights_.has(own);
  const ValueId added =
      constant({untied ? std::string_view(own) : bias, own}, Shape{config_.vocab_size});
  return add(product, added, module);
}

ValueId Builder::layer_norm(ValueId x, std::string_view module, double epsilon, Bias bias) {
  const Shape shape{columns(x)};
  std::vector<ValueId> inputs = {x, constant({cat(module, ".weight")}, shape)};
  if (bias == Bias::kAdded) inputs.push_back(constant({cat(module, ".bias")}, shape));
  return graph_.add_node(OpKind::kLayerNormalization, std::move(inputs),
                         graph::LayerNormAttributes{static_cast<float>(epsilon)}, module);
}

ValueId Builder::rms_norm(ValueId x, std::string_view module, const RmsNorm& fields) {
  const ValueId gamma =
      norm_weight(cat(module, ".weight"), columns(x) / fields.heads, fields.offset);
  graph::RmsNormAttributes attributes;
  attributes.epsilon = static_cast<float>(fields.epsilon);
  attributes.heads = fields.heads;
  return graph_.add_node(OpKind::kRMSNormalization, {x, gamma}, attributes, module);
}

// The weight plus what the family adds to it.
ValueId Builder::norm_weight(std::string_view name, int64_t n, float offset) {
  if (offset == 0) return constant({name}, Shape{n});
  Tensor sum(DType::kF32, Shape{n});
  const auto weight = load(name, Shape{n});
  const auto values = weight->as<float>();
  std::ranges::transform(values, sum.mutable_as<float>().begin(),
                         [offset](float value) { return value + offset; });
  return graph_.add_constant(name, std::make_shared<const Tensor>(std::move(sum)));
}

// A constant number, made once for each name.
ValueId Builder::number(std::string_view name, float value) {
  const ValueId known = graph_.find_value(name);
  if (known != graph::kNoValue) return known;
  return graph_.add_constant(name,
                             std::make_shared<Tensor>(Tensor::from(Shape{}, std::span(&value, 1))));
}

ValueId Builder::scaled(ValueId x, float factor, std::string_view scope) {
  return multiply(x, number(cat(scope, ".scale"), factor), scope);
}

ValueId Builder::multiply(ValueId x, ValueId y, std::string_view scope) {
  return graph_.add_node(OpKind::kMul, {x, y}, graph::NoAttributes{}, scope);
}

ValueId Builder::add(ValueId x, ValueId y, std::string_view scope) {
  return graph_.add_node(OpKind::kAdd, {x, y}, graph::NoAttributes{}, scope);
}

ValueId Builder::activation(ValueId x, Activation activation, std::string_view scope) {
  if (activation == Activation::kNone) return x;
  return graph_.add_node(OpKind::kActivation, {x}, graph::ActivationAttributes{activation}, scope);
}

ValueId Builder::attention(ValueId q, ValueId k, ValueId v, std::string_view scope) {
  const int64_t heads = config_.num_attention_heads;
  const graph::AttentionAttributes attributes{heads, 1.0f};
  const ValueId scale = number("attention_scale", attention_scale(columns(q) / heads));
  const ValueId scores = graph_.add_node(OpKind::kAttentionScores, {q, k}, attributes, scope);
  const ValueId scaled =
      graph_.add_node(OpKind::kMul, {scores, scale}, graph::NoAttributes{}, scope);
  const ValueId probabilities =
      graph_.add_node(OpKind::kSoftmax, {scaled}, graph::NoAttributes{}, scope);
  return graph_.add_node(OpKind::kAttentionContext, {probabilities, v}, attributes, scope);
}

ValueId Builder::attention(const AttentionOperands& operands,
                           const graph::AttentionAttributes& fields, std::string_view scope) {
  std::vector<ValueId> inputs = {
      operands.q,  operands.k, operands.bias, operands.position_keys, operands.position_queries,
      operands.ids};
  while (inputs.back() == graph::kNoValue) inputs.pop_back();
  const ValueId scores =
      graph_.add_node(OpKind::kAttentionScores, std::move(inputs), fields, scope);
  const ValueId probabilities =
      graph_.add_node(OpKind::kSoftmax, {scores}, graph::NoAttributes{}, scope);
  graph::AttentionAttributes context;
  context.heads = fields.heads;
  context.kv_heads = fields.kv_heads;
  return graph_.add_node(OpKind::kAttentionContext, {probabilities, operands.v}, context, scope);
}

graph::AttentionAttributes Builder::attention_attributes(int64_t head_size) const {
  graph::AttentionAttributes attributes;
  attributes.heads = config_.num_attention_heads;
  attributes.scale = attention_scale(head_size);
  return attributes;
}

ValueId Builder::mean_of_tokens(ValueId x, std::string_view scope) {
  return graph_.add_node(OpKind::kSequencePool, {x}, graph::PoolAttributes{{Pooling::kMean}},
                         scope);
}

ValueId Builder::first_token(ValueId x, std::string_view scope) {
  return graph_.add_node(OpKind::kSequencePool, {x}, graph::PoolAttributes{{Pooling::kCls}}, scope);
}

ValueId Builder::last_token(ValueId x, std::string_view scope) {
  graph::PoolAttributes attributes{{Pooling::kLastToken}};
  std::vector<ValueId> inputs = {x};
  if (config_.pad_token_id) {
    attributes.padding_idx = *config_.pad_token_id;
    inputs.push_back(input_ids_);
  }
  return graph_.add_node(OpKind::kSequencePool, std::move(inputs), std::move(attributes), scope);
}

}  // namespace tamis::models
