#include "models/embedding_heads.h"

#include <algorithm>

#include "base/error.h"
#include "models/decoder_heads.h"
#include "models/outside_graphs.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

// The tensor of that name of the module in a folder.
ValueId module_constant(graph::Graph& graph, const std::string& folder, std::string_view name,
                        const std::shared_ptr<const Tensor>& tensor, const Shape& shape) {
  const std::string what = cat(folder, ": tensor \"", name, "\"");
  return graph.add_constant(cat(folder, ".", name), as_float32(tensor, shape, what));
}

// output + input, through a weight of its own where their widths differ.
ValueId add_residual(graph::Graph& graph, ValueId input, ValueId output, const DenseConfig& layer) {
  const std::string scope = cat(layer.folder, ".residual");
  if (layer.residual != nullptr) {
    const ValueId weight = module_constant(graph, layer.folder, "residual.weight", layer.residual,
                                           Shape{layer.out_features, layer.in_features});
    input = graph.add_node(OpKind::kMatMul, {input, weight}, graph::MatMulAttributes{}, scope);
  }
  return graph.add_node(OpKind::kAdd, {output, input}, graph::NoAttributes{}, scope);
}

ValueId add_module(graph::Graph& graph, ValueId x, const DenseConfig& layer) {
  const int64_t columns = graph.value(x).shape[1].size;
  const int64_t n = layer.out_features;
  const std::string scope = cat(layer.folder, ".linear");
  const ValueId weight =
      module_constant(graph, layer.folder, "linear.weight", layer.weight, Shape{n, columns});
  const ValueId input = x;
  x = graph.add_node(OpKind::kMatMul, {x, weight}, graph::MatMulAttributes{}, scope);
  if (layer.bias != nullptr) {
    const ValueId bias = module_constant(graph, layer.folder, "linear.bias", layer.bias, Shape{n});
    x = graph.add_node(OpKind::kAdd, {x, bias}, graph::NoAttributes{}, scope);
  }
  if (layer.activation != Activation::kNone) {
    x = graph.add_node(OpKind::kActivation, {x}, graph::ActivationAttributes{layer.activation},
                       cat(layer.folder, ".activation_function"));
  }
  return layer.use_residual ? add_residual(graph, input, x, layer) : x;
}

ValueId add_module(graph::Graph& graph, ValueId x, const LayerNormConfig& norm) {
  constexpr float kEpsilon = 1e-5F;  // torch's default, which the module does not change
  const Shape columns{graph.value(x).shape[1].size};
  const ValueId gamma = module_constant(graph, norm.folder, "norm.weight", norm.weight, columns);
  const ValueId beta = module_constant(graph, norm.folder, "norm.bias", norm.bias, columns);
  return graph.add_node(OpKind::kLayerNormalization, {x, gamma, beta},
                        graph::LayerNormAttributes{kEpsilon}, cat(norm.folder, ".norm"));
}

ValueId add_module(graph::Graph& graph, ValueId x, const NormalizeConfig& module) {
  return graph.add_node(OpKind::kTokenNormalize, {x}, graph::NoAttributes{}, module.folder);
}

ValueId add_modules(graph::Graph& graph, ValueId x, const SentenceTransformerConfig& config) {
  for (const PooledModule& module : config.pooled) {
    x = std::visit([&](const auto& known) { return add_module(graph, x, known); }, module);
  }
  return x;
}

[[noreturn]] void refuse_pooler(std::string_view model) {
  fail(ErrorCode::kUnsupported,
       "sentence_bert_config.json: method_output_name is \"pooler_output\", but ", model,
       " has no pooler; accepted is \"last_hidden_state\" with a Pooling module");
}

// The family's own pooling stands in where the folder names none.
ValueId sentence_embedding(Builder& b, ValueId hidden, const SentenceTransformerConfig& config) {
  const FamilyParts& parts = *b.family().parts;
  const bool named = config.pooling && !config.pooling->modes.empty();
  const bool by_pooler = config.output == TransformerOutput::kPoolerOutput;
  if (by_pooler && parts.pooler == nullptr) refuse_pooler(b.config().model_type);
  if (by_pooler) return add_modules(b.graph(), parts.pooler(b, hidden), config);
  if (named) return add_sentence_embedding(b.graph(), hidden, config);
  const auto embedding = parts.embedding == nullptr ? embedding_by_class : parts.embedding;
  return add_modules(b.graph(), embedding(b, hidden), config);
}

// Each word's greatest logit of a text's tokens, as SPLADE counts it.
ValueId vocabulary_weights(Builder& b, ValueId hidden) {
  const ValueId logits = b.family().parts->masked_lm(b, hidden);
  return b.graph().add_node(OpKind::kVocabularyPool, {logits}, graph::NoAttributes{}, "pooling");
}

// Each token's weight, as BGE-M3 counts it.
ValueId token_weights(Builder& b, ValueId hidden, const DenseConfig& layer) {
  const ValueId logits = add_module(b.graph(), hidden, layer);
  return b.graph().add_node(OpKind::kActivation, {logits},
                            graph::ActivationAttributes{Activation::kRelu}, layer.folder);
}

void add_query_weights(Builder& b, const Tensor& weights) {
  const int64_t words = weights.shape()[0];
  auto table = std::make_shared<Tensor>(DType::kF32, Shape{words, 1});
  const Tensor values = to_float32(weights.view());
  std::copy_n(values.as<float>().begin(), words, table->mutable_as<float>().begin());
  const ValueId constant = b.graph().add_constant("query_weights.weight", std::move(table));
  b.graph().add_output(kQueryWeights, b.graph().add_node(OpKind::kGather, {constant, b.input_ids()},
                                                         graph::NoAttributes{}, "query_weights"));
}

}  // namespace

ValueId add_sentence_embedding(graph::Graph& graph, ValueId hidden,
                               const SentenceTransformerConfig& config) {
  if (config.output == TransformerOutput::kPoolerOutput) refuse_pooler("this file");
  graph::PoolAttributes pooling;
  if (config.pooling) pooling.modes = config.pooling->modes;
  if (pooling.modes.empty()) pooling.modes = {Pooling::kMean};
  const ValueId pooled = graph.add_node(OpKind::kSequencePool, {hidden}, pooling, "pooling");
  return add_modules(graph, pooled, config);
}

ValueId add_dense_outputs(Builder& b, ValueId hidden, const BuildOptions& options,
                          BuiltModel& model) {
  const SentenceTransformerConfig pooling =
      options.sentence_transformer.value_or(SentenceTransformerConfig{});
  const ValueId result = sentence_embedding(b, hidden, pooling);
  model.normalize = pooling.normalize;
  model.truncate_dim = pooling.truncate_dim;
  b.graph().add_output(kTokenEmbeddings, hidden);
  b.graph().add_output(kSentenceEmbedding, result);
  return result;
}

ValueId sparse_embedding(Builder& b, ValueId hidden, const BuildOptions& options) {
  if (options.token_heads) return token_weights(b, hidden, options.token_heads->sparse);
  const auto& modules = options.sentence_transformer;
  if (modules && modules->sparse && modules->sparse->query_weights != nullptr) {
    add_query_weights(b, *modules->sparse->query_weights);
  }
  return vocabulary_weights(b, hidden);
}

ValueId token_vectors(Builder& b, ValueId hidden, const BuildOptions& options, BuiltModel& model) {
  LateInteractionConfig late;
  if (options.sentence_transformer && options.sentence_transformer->late_interaction) {
    late = *options.sentence_transformer->late_interaction;
    model.truncate_dim = options.sentence_transformer->truncate_dim;
  }
  if (options.token_heads) late.projection = {options.token_heads->colbert};
  for (const DenseConfig& layer : late.projection) hidden = add_module(b.graph(), hidden, layer);
  if (late.projection.empty()) {
    const int64_t width = b.weights().rows(cat(kProjection, ".weight"));
    hidden = b.matmul(hidden, kProjection, width);
  }
  if (!late.normalize) return hidden;
  return b.graph().add_node(OpKind::kTokenNormalize, {hidden}, graph::NoAttributes{}, "normalize");
}

}  // namespace tamis::models
