// Which family, which head, and what hangs behind the encoder.
#include <algorithm>
#include <array>
#include <functional>

#include "base/error.h"
#include "models/builder.h"
#include "models/embedding_heads.h"
#include "models/families.h"
#include "models/gliner.h"
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
    {"HF_ColBERT", HeadKind::kMultiVector},
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

// The tensors without which a checkpoint does not have the head, where no file beside it does.
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
    case HeadKind::kSparseEmbedding:
      return {std::string(parts.masked_lm_weight)};
    case HeadKind::kMultiVector:
      return {cat(kProjection, ".weight")};
    case HeadKind::kAllEmbeddings:
      return {"sparse_linear.weight", "colbert_linear.weight"};
    case HeadKind::kSpanLabels:
      break;  // a checkpoint of its own
  }
  return {};
}

// Whether the head's weights are given beside the checkpoint.
bool is_given(HeadKind head, const BuildOptions& options) {
  const bool late =
      options.sentence_transformer && options.sentence_transformer->late_interaction.has_value();
  if (head == HeadKind::kMultiVector && late) return true;
  return options.token_heads && is_embedding(head);
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
  if (head == HeadKind::kMaskedLM || head == HeadKind::kSparseEmbedding) {
    return parts.masked_lm != nullptr;
  }
  if (head == HeadKind::kQuestionAnswering) return !parts.question_answering.empty();
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

// The class in transformers that has the head's weights.
HeadKind class_of(HeadKind head) {
  return head == HeadKind::kSparseEmbedding ? HeadKind::kMaskedLM : head;
}

// One pooled vector of modules that make none would be a mean that nobody trained.
void refuse_other_modules(HeadKind head, const Checkpoint& checkpoint,
                          const BuildOptions& options) {
  const auto& modules = options.sentence_transformer;
  const bool other = modules && (modules->sparse || modules->late_interaction);
  if (head != HeadKind::kEmbedding || !other) return;
  const HeadKind own = modules->sparse ? HeadKind::kSparseEmbedding : HeadKind::kMultiVector;
  fail(ErrorCode::kUnsupported, checkpoint.folder().string(), ": its modules are for ",
       head_name(own), ", not for ", head_name(head), "; accepted is the task ",
       modules->sparse ? "embed-sparse" : "embed-multi");
}

// A head that was asked for: the class must be for it, or be silent (an encoder, a pre-training
// class) with the tensors there. A classifier's tensors under another class mean something else.
void check_asked_head(HeadKind head, const Checkpoint& checkpoint, const Builder& b,
                      const BuildOptions& options) {
  refuse_other_modules(head, checkpoint, options);
  if (head == HeadKind::kEmbedding || is_given(head, options)) return;
  const ClassSuffix* row = find_class(checkpoint.config());
  if (row != nullptr && row->head == class_of(head)) return;
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
  const ValueId last = b.graph().add_node(OpKind::kSequencePool, {hidden},
                                          graph::PoolAttributes{{Pooling::kLastToken}}, "score");
  return b.linear_of(last, "score", {std::make_shared<const Tensor>(std::move(weight)), nullptr});
}

ValueId token_head(Builder& b, ValueId hidden) {
  const auto append = b.family().parts->token_head;
  return append == nullptr ? hidden : append(b, hidden);
}

// Of transformers' generic class, whose module is `score`, config.json may say that it has none.
Bias token_bias(const Builder& b) {
  const bool generic = b.family().parts->token_classifier == "score";
  const bool added = !generic || b.config().fields.flag("token_classification_bias", true);
  return added ? Bias::kAdded : Bias::kNone;
}

ValueId answer_logits(Builder& b, ValueId hidden) {
  const FamilyParts& parts = *b.family().parts;
  const ValueId logits = b.linear(token_head(b, hidden), parts.question_answering, 2);
  return parts.answers == nullptr ? logits : parts.answers(b, logits);
}

// The value of the output "logits".
ValueId logits(Builder& b, HeadKind head, ValueId hidden) {
  switch (head) {
    case HeadKind::kSequenceClassification:
      return sequence_logits(b, hidden);
    case HeadKind::kTokenClassification:
      return b.linear(token_head(b, hidden), b.family().parts->token_classifier,
                      b.config().num_labels, token_bias(b));
    case HeadKind::kQuestionAnswering:
      return answer_logits(b, hidden);
    case HeadKind::kMaskedLM:
      return masked_lm(b, hidden);
    case HeadKind::kEmbedding:
    case HeadKind::kSparseEmbedding:
    case HeadKind::kMultiVector:
    case HeadKind::kAllEmbeddings:
    case HeadKind::kSpanLabels:
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
  model.max_positions = max_positions(b.family(), config);
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

// Whether the class's scores are those of the next word.
bool scores_next_words(const ModelConfig& config) {
  if (config.architectures.empty()) return false;
  const std::string& name = config.architectures.front();
  return name.ends_with("ForCausalLM") || name.ends_with("LMHeadModel");
}

[[noreturn]] void refuse_head(HeadKind head, const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  if (head == HeadKind::kMaskedLM && scores_next_words(config)) {
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
  const ConfigFields& fields = b.config().fields;
  if (fields.has("final_logit_softcapping")) {
    fields.refuse("final_logit_softcapping", "behind a LogitScore", "null");
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
    case HeadKind::kSparseEmbedding:
      return "sparse embedding";
    case HeadKind::kMultiVector:
      return "multi-vector embedding";
    case HeadKind::kAllEmbeddings:
      return "dense, sparse and multi-vector embedding";
    case HeadKind::kSpanLabels:
      return "entities over given labels";
  }
  return "";
}

namespace {

// The model's outputs behind its encoder; the value of the first that answers.
ValueId add_outputs(Builder& b, const BuildOptions& options, BuiltModel& model) {
  const ValueId hidden = b.family().parts->encoder(b);
  const bool all = model.head == HeadKind::kAllEmbeddings;
  ValueId result = graph::kNoValue;
  if (all || model.head == HeadKind::kEmbedding) {
    result = add_dense_outputs(b, hidden, options, model);
  }
  const auto add = [&](std::string_view name, ValueId value) {
    b.graph().add_output(name, value);
    if (result == graph::kNoValue) result = value;
  };
  if (all || model.head == HeadKind::kSparseEmbedding) {
    add(kSparseEmbedding, sparse_embedding(b, hidden, options));
  }
  if (all || model.head == HeadKind::kMultiVector) {
    add(kTokenVectors, token_vectors(b, hidden, options, model));
  }
  if (is_embedding(model.head)) return result;
  const LogitScoreConfig* score = logit_score_of(options);
  add(kLogits,
      score != nullptr ? next_token_score(b, hidden, *score) : logits(b, model.head, hidden));
  return result;
}

}  // namespace

BuiltModel build_model(const Checkpoint& checkpoint, const BuildOptions& options) {
  if (checkpoint.gliner()) return build_gliner(checkpoint, options);
  Builder b(checkpoint, find_family(checkpoint), options);
  HeadKind head = HeadKind::kEmbedding;
  if (logit_score_of(options) != nullptr) {
    check_next_token_scores(b, options);
    head = HeadKind::kSequenceClassification;
  } else if (options.head) {
    head = *options.head;
    if (is_built(head, *b.family().parts)) check_asked_head(head, checkpoint, b, options);
  } else if (!options.sentence_transformer || !options.sentence_transformer->has_modules) {
    head = default_head(checkpoint, b);
  } else if (options.sentence_transformer->sparse) {
    head = HeadKind::kSparseEmbedding;
  } else if (options.sentence_transformer->late_interaction) {
    head = HeadKind::kMultiVector;
  }
  // Of BERT's kin such a class fills masks too, unless tokens do not see what is behind them.
  const bool generates = head == HeadKind::kMaskedLM && scores_next_words(checkpoint.config()) &&
                         checkpoint.config().fields.flag("is_decoder", false);
  if (generates || !is_built(head, *b.family().parts)) refuse_head(head, checkpoint);
  if (head == HeadKind::kSequenceClassification) {
    const bool score = logit_score_of(options) != nullptr;
    b.set_num_labels(score ? 1 : sequence_labels(checkpoint.config()));
  }
  const bool sequences = head == HeadKind::kSequenceClassification;
  b.set_head(head, sequences && sequence_head(b.config()) == SequenceHead::kChoice);
  BuiltModel model = describe(b, head);
  const ValueId result = add_outputs(b, options, model);
  check_unused_weights(checkpoint, b.family().prefix, head, b.used());
  model.ranges = read_trained_ranges(checkpoint, b.family().prefix, b.used());
  if (b.graph().find_value(graph::kTokenTypeIds) == graph::kNoValue) model.type_vocab_size = 0;
  model.output_size = b.graph().value(result).shape[1].size;
  model.graph = std::move(b.graph());
  graph::verify(model.graph);
  return model;
}

}  // namespace tamis::models
