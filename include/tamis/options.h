// What may be asked of each task, and of whom: plain data with the pipelines' defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tamis {

/// From which end a text that is too long is cut.
enum class Side : uint8_t { kLeft, kRight };

/// How a text that is too long is treated.
struct Truncation {
  int64_t max_length = 0;    ///< in tokens; 0: the model's, and never above it
  bool enabled = true;       ///< false: a longer text is kInvalidArgument
  std::optional<Side> side;  ///< nothing: the tokenizer's own
};

/// A text as it came, or what a task makes of two or several: see each task's options.
struct TaskInput {
  std::string text;
  std::optional<std::string> pair = std::nullopt;
  std::vector<std::string> texts = {};
};

/// Input: `text`. Result: the pooled row, cut to `dimensions`, then (if asked for) of unit length.
struct EmbedOptions {
  std::optional<bool> normalize;  ///< nothing: the model's own way
  std::optional<int64_t> dimensions;
  std::optional<std::string> prompt_name;  ///< nothing: the model's default prompt, if it has one
  std::optional<std::string> prompt;       ///< put before the text; wins over prompt_name
  Truncation truncation = {};
};

/// Input: `text`. Result: the tokens of the vocabulary that count, each with its weight.
struct EmbedSparseOptions {
  bool query = false;            ///< the text asks; models may read that otherwise than documents
  std::optional<int64_t> top_k;  ///< the greatest so many; nothing: all above 0
  /// Nothing: the model's prompt "query" or "document", else its default, if it has one.
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt;  ///< put before the text; wins over prompt_name
  Truncation truncation = {};
};

/// Input: `text`. Result: a vector for each token that counts.
struct EmbedMultiOptions {
  bool query = false;  ///< as EmbedSparseOptions
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt;
  Truncation truncation = {};
};

/// Input: `text`. Result: its vector, its sparse weights and its tokens' vectors, in one run.
struct EmbedAllOptions {
  bool query = false;  ///< as EmbedSparseOptions
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt;
  Truncation truncation = {};
};

enum class ScoreFunction : uint8_t { kSoftmax, kSigmoid, kNone };

/// Input: `text`, and `pair` for two texts.
struct ClassifyOptions {
  std::optional<int64_t> top_k;           ///< nothing: all labels
  std::optional<ScoreFunction> function;  ///< nothing: the pipeline's choice
  Truncation truncation = {};
};

/// Input: `text` is the query, `texts` what to rank. The model has one label, or a vector for each
/// token: then a text's score is the sum, over the query's vectors, of the greatest product with
/// one of the text's (ColBERT's MaxSim).
struct RerankOptions {
  bool raw_scores = false;       ///< the logits as they are; MaxSim always is
  std::optional<int64_t> top_k;  ///< nothing: all
  Truncation truncation = {};
};

enum class Aggregation : uint8_t { kNone, kSimple, kFirst, kAverage, kMax };

/// Input: `text`.
struct NerOptions {
  Aggregation aggregation = Aggregation::kSimple;
  std::vector<std::string> ignore_labels = {"O"};
  /// Tokens that a window shares with the one before; nothing: one window, a longer text is cut.
  /// Needs an aggregation.
  std::optional<int64_t> stride;
  Truncation truncation = {};
  /// What to look for, of a model that reads labels with the text (GLiNER); one that comes again
  /// counts once. Aggregation, ignore_labels and stride are those of other models.
  std::vector<std::string> labels = {};
  std::optional<float> threshold;  ///< with labels: least probability; nothing: 0.5
  bool nested = false;             ///< with labels: entities may lie inside one another
  bool multi_label = false;        ///< with labels: words may be an entity under several
};

/// Input: `text` is the question, `pair` the context.
struct QaOptions {
  std::optional<int64_t> top_k;  ///< nothing: the best one
  int64_t max_answer_len = 15;   ///< in tokens
  bool handle_impossible_answer = false;
  bool align_to_words = true;
  std::optional<int64_t> max_seq_len;  ///< nothing: the least of 384 and the model's length
  std::optional<int64_t> doc_stride;   ///< nothing: the least of 128 and half of max_seq_len
  /// Longest question in tokens. Nothing: it is not cut, as in the pipeline with fast tokenizers.
  std::optional<int64_t> max_question_len;
};

/// Input: `text` with at least one mask token.
struct FillMaskOptions {
  int64_t top_k = 5;
  std::vector<std::string> targets;  ///< empty: the whole vocabulary
  Truncation truncation = {};
};

/// Input: `text`; `texts` are the candidate labels. Needs a model with an entailment label.
struct ZeroShotOptions {
  std::string hypothesis_template = "This example is {}.";
  bool multi_label = false;
  Truncation truncation = {};
};

}  // namespace tamis
