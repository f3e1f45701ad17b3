#include "models/builder.h"

#include <cmath>

#include "base/error.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

graph::SymbolicShape token_vector() { return {graph::Dim::of(graph::Symbol::kTokens)}; }

// Computed in double, as Python does, and rounded once.
float attention_scale(int64_t head_size) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size)));
}

}  // namespace

Builder::Builder(const Checkpoint& checkpoint, const Family& family)
    : config_(checkpoint.config()),
      family_(family),
      weights_(checkpoint, family.prefix),
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

ValueId Builder::embedding(std::string_view module, const Shape& table, ValueId ids) {
  const ValueId weight = constant({cat(module, ".weight")}, table);
  return graph_.add_node(OpKind::kGather, {weight, ids}, graph::NoAttributes{}, module);
}

ValueId Builder::word_embedding(std::string_view module, int64_t n) {
  const ValueId weight = constant({cat(module, ".weight"), cat(family_.parts->decoder, ".weight")},
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

ValueId Builder::linear(ValueId x, std::string_view module, int64_t n) {
  const ValueId weight = constant({cat(module, ".weight")}, Shape{n, columns(x)});
  const ValueId bias = constant({cat(module, ".bias")}, Shape{n});
  const ValueId product =
      graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
  return add(product, bias, module);
}

ValueId Builder::decoder(ValueId x, std::string_view word_embeddings, std::string_view bias) {
  const std::string_view module = family_.parts->decoder;
  const std::string tied = cat(word_embeddings, ".weight");
  const std::string own = cat(module, ".weight");
  // A weight of its own wins over the word embeddings, as in transformers 5, and must be there if
  // config.json unties them.
  const bool is_tied = weights_.has(own) ? weights_.same(own, tied) || !weights_.has(tied)
                                         : config_.tie_word_embeddings;
  const ValueId weight = constant({is_tied ? tied : own}, Shape{config_.vocab_size, columns(x)});
  const ValueId bias_value = constant({bias, cat(module, ".bias")}, Shape{config_.vocab_size});
  const ValueId product =
      graph_.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, module);
  return add(product, bias_value, module);
}

ValueId Builder::layer_norm(ValueId x, std::string_view module, double epsilon) {
  const Shape shape{columns(x)};
  const ValueId gamma = constant({cat(module, ".weight")}, shape);
  const ValueId beta = constant({cat(module, ".bias")}, shape);
  return graph_.add_node(OpKind::kLayerNormalization, {x, gamma, beta},
                         graph::LayerNormAttributes{static_cast<float>(epsilon)}, module);
}

ValueId Builder::add(ValueId x, ValueId y, std::string_view scope) {
  return graph_.add_node(OpKind::kAdd, {x, y}, graph::NoAttributes{}, scope);
}

ValueId Builder::activation(ValueId x, Activation activation, std::string_view scope) {
  if (activation == Activation::kNone) return x;
  return graph_.add_node(OpKind::kActivation, {x}, graph::ActivationAttributes{activation}, scope);
}

ValueId Builder::attention(ValueId q, ValueId k, ValueId v, std::string_view scope) {
  constexpr std::string_view kScaleName = "attention_scale";
  const int64_t heads = config_.num_attention_heads;
  const graph::AttentionAttributes attributes{heads, 1.0f};
  ValueId scale = graph_.find_value(kScaleName);
  if (scale == graph::kNoValue) {
    const float value = attention_scale(columns(q) / heads);
    scale = graph_.add_constant(
        kScaleName, std::make_shared<Tensor>(Tensor::from(Shape{}, std::span(&value, 1))));
  }
  const ValueId scores = graph_.add_node(OpKind::kAttentionScores, {q, k}, attributes, scope);
  const ValueId scaled =
      graph_.add_node(OpKind::kMul, {scores, scale}, graph::NoAttributes{}, scope);
  const ValueId probabilities =
      graph_.add_node(OpKind::kSoftmax, {scaled}, graph::NoAttributes{}, scope);
  return graph_.add_node(OpKind::kAttentionContext, {probabilities, v}, attributes, scope);
}

ValueId Builder::first_token(ValueId x, std::string_view scope) {
  return graph_.add_node(OpKind::kSequencePool, {x}, graph::PoolAttributes{{graph::PoolMode::kCls}},
                         scope);
}

}  // namespace tamis::models
