// Which family, which head, and what hangs behind the encoder.
#include <algorithm>
#include <array>
#include <functional>

#include "base/error.h"
#include "models/builder.h"
#include "models/families.h"
#include "models/models.h"
#include "models/outside_graphs.h"
#include "models/trained_ranges.h"
#include "models/unused_weights.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

// What makes the logits of a sequence.
enum class SequenceHead : uint8_t {
  kClassifier,    // the family's own
  kChoice,        // one logit: how well the sequence answers; a reranker's
  kNextSentence,  // two of a pair: the second text follows the first, or not
};

// What a class in `architectures` answers, by the end of its name; the first row that fits.
struct ClassSuffix {
  std::string_view suffix;
  std::optional<HeadKind> head;  // nothing: a head that is not built
  SequenceHead sequence = SequenceHead::kClassifier;
};
constexpr ClassSuffix kClassSuffixes[] = {
    {"ForSequenceClassification", HeadKind::kSequenceClassification},
    {"ForTokenClassification", HeadKind::kTokenClassification},
    {"ForQuestionAnswering", HeadKind::kQuestionAnswering},
    {"ForMaskedLM", HeadKind::kMaskedLM},
    {"ElectraForPreTraining", HeadKind::kEmbedding},  // a discriminator: no words
    {"DPRQuestionEncoder", HeadKind::kEmbedding},
    {"DPRContextEncoder", HeadKind::kEmbedding},
    {"DPRReader", std::nullopt},
    {"ForPreTraining", HeadKind::kMaskedLM},
    {"LMHeadModel", HeadKind::kMaskedLM},
    {"ForCausalLM", HeadKind::kMaskedLM},
    {"Model", HeadKind::kEmbedding},
    {"ElectraForMultipleChoice", std::nullopt},  // SequenceSummary
    {"ForMultipleChoice", HeadKind::kSequenceClassification, SequenceHead::kChoice},
    {"ForNextSentencePrediction", HeadKind::kSequenceClassification, SequenceHead::kNextSentence},
};

const ClassSuffix* find_class(const ModelConfig& config) {
  for (const std::string& architecture : config.architectures) {
    for (const ClassSuffix& row : kClassSuffixes) {
      if (architecture.ends_with(row.suffix)) return &row;
    }
  }
  return nullptr;
}

SequenceHead sequence_head(const ModelConfig& config) {
  const ClassSuffix* row = find_class(config);
  return row == nullptr ? SequenceHead::kClassifier : row->sequence;
}

int64_t sequence_labels(const ModelConfig& config) {
  switch (sequence_head(config)) {
    case SequenceHead::kClassifier:
      return config.num_labels;
    case SequenceHead::kChoice:
      return 1;
    case SequenceHead::kNextSentence:
      return 2;
  }
  return 0;
}

// The tensors without which a checkpoint does not have the head.
std::vector<std::string> head_weights(HeadKind head, const FamilyParts& parts) {
  switch (head) {
    case HeadKind::kEmbedding:
      return {};
    case HeadKind::kSequenceClassification:
      return {parts.classifier_weights.begin(), parts.classifier_weights.end()};
    case HeadKind::kTokenClassification:
      return {cat(parts.token_classifier, ".weight")};
    case HeadKind::kQuestionAnswering:
      return {cat(parts.question_answering, ".weight")};
    case HeadKind::kMaskedLM:
      return {std::string(parts.masked_lm_weight)};
  }
  return {};
}

// The first of them that is not there, "" if all are.
std::string missing_weight(HeadKind head, const Builder& b) {
  for (const std::string& name : head_weights(head, *b.family().parts)) {
    if (!name.empty() && !b.weights().has(name)) return name;
  }
  return "";
}

// Whether transformers has such a class for the family.
bool is_built(HeadKind head, const FamilyParts& parts) {
  if (head == HeadKind::kSequenceClassification) return parts.classifier != nullptr;
  if (head == HeadKind::kMaskedLM) return parts.masked_lm != nullptr;
  return true;
}

HeadKind head_of_tensors(const Builder& b) {
  // Where two heads end in a module of one name, the tensors show the classifier.
  const bool shared = b.family().parts->question_answering == "classifier";
  for (const HeadKind head : {HeadKind::kQuestionAnswering, HeadKind::kSequenceClassification,
                              HeadKind::kTokenClassification, HeadKind::kMaskedLM}) {
    if (shared && head == HeadKind::kQuestionAnswering) continue;
    if (is_built(head, *b.family().parts) && missing_weight(head, b).empty()) return head;
  }
  return HeadKind::kEmbedding;
}

std::string class_names(const ModelConfig& config) {
  std::string names;
  for (const std::string& name : config.architectures) {
    names += cat(names.empty() ? "" : ", ", std::string_view(name).substr(0, 200));
  }
  return names.empty() ? "not named" : names;
}

HeadKind default_head(const Checkpoint& checkpoint, const Builder& b) {
  const ClassSuffix* row = find_class(checkpoint.config());
  if (row == nullptr) return head_of_tensors(b);
  if (row->head) return *row->head;
  fail(ErrorCode::kUnsupported, checkpoint.folder().string(), ": the head of ",
       class_names(checkpoint.config()), " is not built; accepted are ",
       head_name(HeadKind::kEmbedding), " (name it as the task) and checkpoints for ",
       head_name(HeadKind::kSequenceClassification), ", ",
       head_name(HeadKind::kTokenClassification), ", ", head_name(HeadKind::kQuestionAnswering),
       " and ", head_name(HeadKind::kMaskedLM));
}

// A head that was asked for: the class must be for it, or be silent (an encoder, a pre-training
// class) with the tensors there. A classifier's tensors under another class mean something else.
void check_asked_head(HeadKind head, const Checkpoint& checkpoint, const Builder& b) {
  if (head == HeadKind::kEmbedding) return;
  const ClassSuffix* row = find_class(checkpoint.config());
  if (row != nullptr && row->head == head) return;
  const std::string folder = checkpoint.folder().string();
  const std::string classes = class_names(checkpoint.config());
  const bool silent =
      row == nullptr || row->head == HeadKind::kEmbedding || row->head == HeadKind::kMaskedLM;
  if (!silent) {
    fail(ErrorCode::kUnsupported, folder, ": made for another task than ", head_name(head),
         ": architectures is ", classes);
  }
  if (const std::string missing = missing_weight(head, b); !missing.empty()) {
    fail(ErrorCode::kUnsupported, folder, ": has no head for ", head_name(head),
         ": no tensor in the weights under the name ", b.weights().spelled({missing}),
         "; architectures is ", classes);
  }
}

graph::PoolMode pool_mode(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return graph::PoolMode::kCls;
    case PoolingMode::kMax:
      return graph::PoolMode::kMax;
    case PoolingMode::kMean:
      return graph::PoolMode::kMean;
    case PoolingMode::kMeanSqrtLen:
      return graph::PoolMode::kMeanSqrtLen;
    case PoolingMode::kWeightedMean:
      return graph::PoolMode::kWeightedMean;
    case PoolingMode::kLastToken:
      return graph::PoolMode::kLastToken;
  }
  return graph::PoolMode::kMean;
}

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
  if (named || parts.embedding == nullptr) {
    return add_sentence_embedding(b.graph(), hidden, config);
  }
  return add_modules(b.graph(), parts.embedding(b, hidden), config);
}

ValueId masked_lm(Builder& b, ValueId hidden) {
  // Only the tokens that are asked for pay for the vocabulary.
  const ValueId selected =
      b.graph().add_node(OpKind::kSelectTokens, {hidden}, graph::NoAttributes{}, "");
  return b.family().parts->masked_lm(b, selected);
}

ValueId sequence_logits(Builder& b, ValueId hidden) {
  const FamilyParts& parts = *b.family().parts;
  const SequenceHead head = sequence_head(b.config());
  const bool pooled = parts.pooler != nullptr;
  if (head == SequenceHead::kNextSentence) {
    if (pooled) return b.linear(parts.pooler(b, hidden), "cls.seq_relationship", b.num_labels());
    fail(ErrorCode::kUnsupported, "config.json: architectures is ", class_names(b.config()),
         ", but ", b.config().model_type, " has no pooler for it; accepted are other classes");
  }
  if (head == SequenceHead::kClassifier || !pooled) return parts.classifier(b, hidden);
  return b.linear(parts.pooler(b, hidden), "classifier", b.num_labels());
}

// Row `id` of the vocabulary's weight, which may be the word embeddings.
std::span<const float> word_row(const Tensor& table, int64_t id) {
  const auto n = static_cast<size_t>(table.shape()[1]);
  return table.as<float>().subspan(static_cast<size_t>(id) * n, n);
}

void check_word(const Builder& b, int64_t id) {
  if (id < b.config().vocab_size) return;
  fail(ErrorCode::kCorruptData, "LogitScore: the token ", id, " is not in the vocabulary of ",
       b.config().vocab_size);
}

// The score of one word behind the text, less that of another: [B, 1]. As both are products with
// the last token, their weights' difference is multiplied with it.
ValueId next_token_score(Builder& b, ValueId hidden, const LogitScoreConfig& score) {
  const auto table = b.decoder_weight(b.path("embed_tokens"));
  const int64_t n = table->shape()[1];
  Tensor weight(DType::kF32, Shape{1, n});
  const auto out = weight.mutable_as<float>();
  check_word(b, score.true_token_id);
  std::ranges::copy(word_row(*table, score.true_token_id), out.begin());
  if (score.false_token_id) {
    check_word(b, *score.false_token_id);
    std::ranges::transform(out, word_row(*table, *score.false_token_id), out.begin(),
                           std::minus<>());
  }
  const ValueId last =
      b.graph().add_node(OpKind::kSequencePool, {hidden},
                         graph::PoolAttributes{{graph::PoolMode::kLastToken}}, "score");
  return b.linear_of(last, "score", {std::make_shared<const Tensor>(std::move(weight)), nullptr});
}

ValueId token_head(Builder& b, ValueId hidden) {
  const auto append = b.family().parts->token_head;
  return append == nullptr ? hidden : append(b, hidden);
}

// The value of the output "logits".
ValueId logits(Builder& b, HeadKind head, ValueId hidden) {
  switch (head) {
    case HeadKind::kSequenceClassification:
      return sequence_logits(b, hidden);
    case HeadKind::kTokenClassification:
      return b.linear(token_head(b, hidden), b.family().parts->token_classifier,
                      b.config().num_labels);
    case HeadKind::kQuestionAnswering:
      return b.linear(token_head(b, hidden), b.family().parts->question_answering, 2);
    case HeadKind::kMaskedLM:
      return masked_lm(b, hidden);
    case HeadKind::kEmbedding:
      break;
  }
  TAMIS_CHECK(false);
  return graph::kNoValue;
}

BuiltModel describe(const Builder& b, HeadKind head) {
  const ModelConfig& config = b.config();
  BuiltModel model;
  model.family = config.model_type;
  model.head = head;
  model.vocab_size = config.vocab_size;
  model.hidden_size = config.hidden_size;
  model.type_vocab_size = config.type_vocab_size;
  const auto max_positions = b.family().parts->max_positions;
  model.max_positions =
      max_positions == nullptr ? config.max_position_embeddings : max_positions(config);
  if (head == HeadKind::kSequenceClassification || head == HeadKind::kTokenClassification) {
    model.labels = config.id2label;
    for (auto i = static_cast<int64_t>(model.labels.size()); i < b.num_labels(); ++i) {
      model.labels.push_back(cat("LABEL_", i));
    }
    model.labels.resize(static_cast<size_t>(b.num_labels()));
    model.entailment_id = config.entailment_id;
    model.problem_type = config.problem_type;
  }
  return model;
}

[[noreturn]] void refuse_head(HeadKind head, const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  const bool generates = head == HeadKind::kMaskedLM && !config.architectures.empty() &&
                         config.architectures.front().ends_with("ForCausalLM");
  if (generates) {
    fail(ErrorCode::kUnsupported, checkpoint.folder().string(), ": architectures is ",
         class_names(config), ", but text is not generated; accepted is ",
         head_name(HeadKind::kEmbedding), " (name it as the task)");
  }
  fail(ErrorCode::kUnsupported, checkpoint.folder().string(), ": ", config.model_type,
       " has no head for ", head_name(head), "; accepted is ", head_name(HeadKind::kEmbedding));
}

// What scores pairs by next words, if the folder's modules do and no embedding is asked for.
const LogitScoreConfig* logit_score_of(const BuildOptions& options) {
  const bool scores = options.sentence_transformer && options.sentence_transformer->logit_score;
  if (!scores || options.head == HeadKind::kEmbedding) return nullptr;
  return &*options.sentence_transformer->logit_score;
}

void check_next_token_scores(const Builder& b, const BuildOptions& options) {
  const HeadKind head = options.head.value_or(HeadKind::kSequenceClassification);
  if (b.family().parts->classifier_weights[0] != "score.weight") {
    fail(ErrorCode::kUnsupported, "modules.json: a LogitScore behind ", b.config().model_type,
         " is not built; accepted are decoders: llama, mistral, qwen2, qwen3, gemma3_text");
  }
  if (head == HeadKind::kSequenceClassification) return;
  fail(ErrorCode::kUnsupported, "modules.json: made by its LogitScore for reranking, not for ",
       head_name(head));
}

}  // namespace

std::string_view head_name(HeadKind head) {
  switch (head) {
    case HeadKind::kEmbedding:
      return "embedding";
    case HeadKind::kSequenceClassification:
      return "sequence classification";
    case HeadKind::kTokenClassification:
      return "token classification";
    case HeadKind::kQuestionAnswering:
      return "question answering";
    case HeadKind::kMaskedLM:
      return "masked language modelling";
  }
  return "";
}

ValueId add_sentence_embedding(graph::Graph& graph, ValueId hidden,
                               const SentenceTransformerConfig& config) {
  if (config.output == TransformerOutput::kPoolerOutput) refuse_pooler("this file");
  graph::PoolAttributes pooling;
  if (config.pooling) {
    for (const PoolingMode mode : config.pooling->modes) pooling.modes.push_back(pool_mode(mode));
  }
  if (pooling.modes.empty()) pooling.modes = {graph::PoolMode::kMean};
  const ValueId pooled = graph.add_node(OpKind::kSequencePool, {hidden}, pooling, "pooling");
  return add_modules(graph, pooled, config);
}

BuiltModel build_model(const Checkpoint& checkpoint, const BuildOptions& options) {
  Builder b(checkpoint, find_family(checkpoint), options);
  HeadKind head = HeadKind::kEmbedding;
  if (logit_score_of(options) != nullptr) {
    check_next_token_scores(b, options);
    head = HeadKind::kSequenceClassification;
  } else if (options.head) {
    head = *options.head;
    if (is_built(head, *b.family().parts)) check_asked_head(head, checkpoint, b);
  } else if (!options.sentence_transformer || !options.sentence_transformer->has_modules) {
    head = default_head(checkpoint, b);
  }
  if (!is_built(head, *b.family().parts)) refuse_head(head, checkpoint);
  if (head == HeadKind::kSequenceClassification) {
    const bool score = logit_score_of(options) != nullptr;
    b.set_num_labels(score ? 1 : sequence_labels(checkpoint.config()));
  }
  BuiltModel model = describe(b, head);
  const ValueId hidden = b.family().parts->encoder(b);
  ValueId result = graph::kNoValue;
  if (head == HeadKind::kEmbedding) {
    const SentenceTransformerConfig pooling =
        options.sentence_transformer.value_or(SentenceTransformerConfig{});
    result = sentence_embedding(b, hidden, pooling);
    model.normalize = pooling.normalize;
    model.truncate_dim = pooling.truncate_dim;
    b.graph().add_output(kTokenEmbeddings, hidden);
    b.graph().add_output(kSentenceEmbedding, result);
  } else {
    const LogitScoreConfig* score = logit_score_of(options);
    result = score != nullptr ? next_token_score(b, hidden, *score) : logits(b, head, hidden);
    b.graph().add_output(kLogits, result);
  }
  check_unused_weights(checkpoint, b.family().prefix, head, b.used());
  model.ranges = read_trained_ranges(checkpoint, b.family().prefix, b.used());
  model.output_size = b.graph().value(result).shape[1].size;
  model.graph = std::move(b.graph());
  graph::verify(model.graph);
  return model;
}

}  // namespace tamis::models
