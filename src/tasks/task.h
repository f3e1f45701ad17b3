// From a text to the rows a model runs, and from the model's raw outputs to an answer.
//
// Is: the encode and decode of every task, as pure functions whose answers are those of Hugging
// Face's pipelines (transformers 5; question answering: 4.57, the last that has it) and of
// sentence-transformers. Is not: an engine, batching, files. May use: tokenizer, math,
// engine (batches).
//
// encode() and decode() are thread-safe: they read their arguments and nothing else.
#pragma once

#include <tamis/options.h>
#include <tamis/results.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/activation.h"
#include "base/text_template.h"
#include "engine/batch_builder.h"
#include "tensor/tensor.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tasks {

// The public types, under this module's name too.
using tamis::Aggregation;
using tamis::Answer;
using tamis::ClassifyOptions;
using tamis::ClassifyResult;
using tamis::EmbedAllOptions;
using tamis::EmbedAllResult;
using tamis::EmbedMultiOptions;
using tamis::EmbedMultiResult;
using tamis::EmbedOptions;
using tamis::EmbedResult;
using tamis::EmbedSparseOptions;
using tamis::EmbedSparseResult;
using tamis::Entity;
using tamis::FillMaskOptions;
using tamis::FillMaskResult;
using tamis::LabelScore;
using tamis::MaskedToken;
using tamis::NerOptions;
using tamis::NerResult;
using tamis::QaOptions;
using tamis::QaResult;
using tamis::RankedText;
using tamis::RerankOptions;
using tamis::RerankResult;
using tamis::ScoreFunction;
using tamis::SparseWeight;
using tamis::TaskInput;
using tamis::TaskResult;
using tamis::Truncation;
using tamis::ZeroShotOptions;
using tamis::ZeroShotResult;

/// One a row of tasks.inc; also the index of the task's type in TaskOptions and TaskResult.
enum class TaskKind : uint8_t {
#define TAMIS_TASK(Kind, task, row_output) k##Kind,
#include "tasks/tasks.inc"
#undef TAMIS_TASK
};

/// "embed", "fill-mask", ...
[[nodiscard]] std::string_view task_name(TaskKind kind);
[[nodiscard]] std::optional<TaskKind> task_from_name(std::string_view name);
/// The names, comma-separated, for messages.
[[nodiscard]] std::string known_tasks();
/// Names of a model's outputs.
inline constexpr std::string_view kSentenceEmbedding = "sentence_embedding";
inline constexpr std::string_view kSparseEmbedding = "sparse_embedding";
inline constexpr std::string_view kTokenVectors = "token_vectors";
inline constexpr std::string_view kLogits = "logits";

/// The model output that decode() reads, of several the first; of a rerank by MaxSim it is that of
/// embed-multi.
[[nodiscard]] std::string_view task_output(TaskKind kind);
/// All that a model loaded for the task gives: task_output(), and for embed-all the others too.
[[nodiscard]] std::span<const std::string_view> task_outputs(TaskKind kind);
/// Whether a model loaded for a task can answer another: embed-all can do each of its parts, and
/// vectors of tokens rerank.
[[nodiscard]] bool can_answer(TaskKind loaded, TaskKind asked);

/// config.json's problem_type.
enum class Problem : uint8_t { kUnknown, kRegression, kSingleLabel, kMultiLabel };

/// How a model with a vector for each token reads one side of a comparison.
struct LateSide {
  std::optional<int32_t> marker;  ///< a token put behind the first one
  int64_t length = 0;             ///< in tokens, special ones included; 0: the model's
  friend bool operator==(const LateSide&, const LateSide&) = default;
};

/// How a model makes a vector for each token (ColBERT, BGE-M3).
struct LateInteraction {
  LateSide query;
  LateSide document;
  /// Queries shorter than query.length are filled up with it.
  std::optional<int32_t> expansion;
  bool attend_to_expansion = false;  ///< false: the text's tokens do not see it
  bool skip_first = false;           ///< the first token's vector does not count
  std::vector<int32_t> skiplist;     ///< rising; such tokens of documents do not count
  friend bool operator==(const LateInteraction&, const LateInteraction&) = default;
};

/// How a model reads labels with a text (GLiNER): marked, in front of its words.
struct SpanLabels {
  int32_t label_token = 0;    ///< in front of each label
  int32_t separator = 0;      ///< between labels and words
  bool behind_token = false;  ///< a label is read from the token behind its mark
  int64_t max_words = 0;      ///< of a text that are read
  int64_t max_width = 0;      ///< words of the longest entity
  int64_t most_labels = 0;    ///< scores of a span in the model's output
  friend bool operator==(const SpanLabels&, const SpanLabels&) = default;
};

/// kNone: refused, as a side must be named.
enum class TextSide : uint8_t { kDocument, kQuery, kNone };

/// What the tasks must know of a model. Borrows the tokenizer.
struct TaskModel {
  const tokenizer::Tokenizer* tokenizer = nullptr;
  /// Longest sequence of the model in tokens, special ones included; 0: no limit.
  int64_t max_length = 0;
  /// False for models with one segment or none: Sequence::type_ids stay empty.
  bool uses_type_ids = true;

  std::vector<std::string> labels;  ///< id2label
  /// What label2id names for entailment; nothing: the label that begins with "entail".
  std::optional<int64_t> entailment_id;
  Problem problem = Problem::kUnknown;
  /// What config.json names for a cross-encoder; nothing: sigmoid for one label, else none.
  std::optional<Activation> cross_encoder_activation;

  /// Read in place of a text without tokens; nothing: such a text is refused.
  std::optional<int32_t> empty_text_id;

  bool normalize = false;  ///< modules.json ends with Normalize
  /// An embedding keeps the first so many, cut behind Normalize; at most the output's width.
  std::optional<int64_t> truncate_dim;
  bool do_lower_case = false;  ///< sentence_bert_config.json
  std::map<std::string, std::string> prompts;
  std::optional<std::string> default_prompt_name;  ///< of a cross-encoder: before the query
  /// Of a reranker that reads query, document and instruction in one text; empty: pairs as they
  /// are.
  TextTemplate pair_template = {};
  bool include_prompt = true;  ///< 1_Pooling; false: a prompt's tokens are not pooled

  bool sparse_log_twice = false;  ///< weights are log(1 + w) of what the model gives
  /// By id, of queries that no model reads; null: queries are read as documents are.
  std::shared_ptr<const std::vector<float>> query_weights = nullptr;
  /// Most tokens of such a query, 0: any number; nothing: max_length.
  std::optional<int64_t> query_max_length;
  bool weighs_documents = false;  ///< query_weights are those of documents, too
  /// The embedding of a query, its prompt in front, that another model than that of documents
  /// makes; null: queries are read as documents are. Thread-safe.
  std::function<EmbedResult(const std::string& query, const EmbedOptions& options)> embed_query =
      nullptr;
  /// Of embed_query: what a text is whose prompt_name is neither "query" nor "document".
  TextSide unnamed_side = TextSide::kDocument;
  std::optional<LateInteraction> late_interaction;
  bool mean_max_sim = false;  ///< rerank scores by mean_max_sim(), else by max_sim()
  /// Entities are found over labels that come with the text; nothing: over the model's own.
  std::optional<SpanLabels> span_labels;
};

/// "softmax", "sigmoid", "none".
[[nodiscard]] std::optional<ScoreFunction> score_function_from_name(std::string_view name);

/// The pipeline's own choice: none for regression, sigmoid for several labels at once or a single
/// label, else softmax.
[[nodiscard]] ScoreFunction default_score_function(Problem problem, size_t labels);

/// "none", "simple", "first", "average", "max".
[[nodiscard]] std::optional<Aggregation> aggregation_from_name(std::string_view name);

using TaskOptions = std::variant<EmbedOptions, ClassifyOptions, RerankOptions, NerOptions,
                                 QaOptions, FillMaskOptions, ZeroShotOptions, EmbedSparseOptions,
                                 EmbedMultiOptions, EmbedAllOptions>;

[[nodiscard]] inline TaskKind kind_of(const TaskOptions& options) {
  return static_cast<TaskKind>(options.index());
}

/// The options a task starts with.
[[nodiscard]] TaskOptions default_options(TaskKind kind);

/// A row for the engine. Never empty.
struct Sequence {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;  ///< empty: 0 everywhere
  /// Tokens whose rows a head for masked words or given labels computes; empty: all.
  std::vector<int32_t> selected = {};
  /// The first so many tokens that all tokens see; 0: all.
  int32_t keys = 0;
  /// The first so many tokens that the pooling leaves out.
  int32_t unpooled = 0;

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(ids.size()); }
  [[nodiscard]] engine::SequenceView view() const {
    return {ids, type_ids, {}, selected, keys, unpooled};
  }
};

/// What decode() must know of a row's tokens; the vectors are empty where the task does not ask.
struct Window {
  std::vector<tokenizer::Span> offsets = {};  ///< where labels come with the text, of its words
  std::vector<uint8_t> special_mask = {};
  std::vector<int32_t> word_ids = {};
  std::vector<int32_t> sequence_ids = {};
};

/// A request ready to run: its sequences, and all that decode() needs.
struct Encoded {
  TaskInput input;
  TaskOptions options;
  std::vector<Sequence> sequences;
  std::vector<Window> windows;  ///< one a sequence
  bool truncated = false;       ///< tokens of the input were cut off
  int64_t most_tokens = 0;      ///< of all windows; more are kInvalidArgument; 0: no limit

  [[nodiscard]] int64_t tokens() const;
};

/// An output of the model, float32, rows of this request's sequences only and in their order:
/// [sequences, n], [tokens, n], or [selected tokens, n] for masked words and given labels.
struct OutputView {
  std::string_view name;
  TensorView tensor;
};

/// Tokenizes. Throws Error: kInvalidArgument (an option out of its range, a text that is not UTF-8
/// or has no tokens, no mask token, a text that is too long with truncation off), kUnsupported (the
/// model cannot do the task). `most_tokens`: of all windows of a text that is read in windows; 0:
/// no limit.
[[nodiscard]] Encoded encode(TaskInput input, TaskOptions options, const TaskModel& model,
                             int64_t most_tokens = 0);

/// The sum, over the query's vectors, of the greatest product with one of the document's.
[[nodiscard]] float max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document);
/// The mean in place of the sum (sentence-transformers' "meanmaxsim"); 0 of a query without
/// vectors.
[[nodiscard]] float mean_max_sim(const EmbedMultiResult& query, const EmbedMultiResult& document);

/// Turns outputs into the answer; result and options hold the same task. Throws Error: kInternal if
/// an output that the task reads is absent or has other rows than were encoded, kUnsupported if
/// its width does not suit the model's labels, kInvalidArgument (embed: `dimensions` is more than
/// the model has).
[[nodiscard]] TaskResult decode(const Encoded& encoded, std::span<const OutputView> outputs,
                                const TaskModel& model);

}  // namespace tamis::tasks
