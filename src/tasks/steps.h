// The steps that tasks share, and each task's own encode and decode.
//
// Is: for the files of this module. Is not: for other modules (task.h is). May use: task.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace tamis::tasks {

/// A request's rows of the model's outputs. Borrows them.
class TaskOutputs {
 public:
  explicit TaskOutputs(std::span<const OutputView> views) : views_(views) {}

  /// Throws kInternal if there is none of that name.
  [[nodiscard]] const TensorView& get(std::string_view name) const;

 private:
  std::span<const OutputView> views_;
};

// Each row of tasks.inc: encode_task fills `encoded.sequences` and `windows` from its input.
#define TAMIS_TASK(Kind, task, row_output)                                                     \
  void encode_task(const Kind##Options& options, const TaskModel& model, Encoded& encoded);    \
  [[nodiscard]] Kind##Result decode_task(const Kind##Options& options, const TaskModel& model, \
                                         const Encoded& encoded, const TaskOutputs& outputs);
#include "tasks/tasks.inc"
#undef TAMIS_TASK

/// Encode options for one window of at most truncation's and the model's length. Throws
/// kInvalidArgument for a negative length.
[[nodiscard]] tokenizer::EncodeOptions encode_options(const Truncation& truncation,
                                                      const TaskModel& model);

/// Encodes `text` as one sequence and appends it with an empty window; sets encoded.truncated.
/// Throws kInvalidArgument if it has no tokens or is cut while truncation is off.
tokenizer::Encoding append_sequence(const tokenizer::TextInput& text,
                                    const tokenizer::EncodeOptions& options,
                                    const Truncation& truncation, const TaskModel& model,
                                    Encoded& encoded);

/// Encodes a query and a document and appends them: as a pair behind the model's default prompt, or
/// as what the model's template makes of the three, whose end is kept where the text is cut. Throws
/// as append_sequence().
void append_pair(std::string_view query, std::string_view document, const Truncation& truncation,
                 const TaskModel& model, Encoded& encoded);

/// Reads the text in windows that share `stride` tokens, no more than the request may have.
void read_in_windows(int64_t stride, const Encoded& encoded, tokenizer::EncodeOptions& options);

/// Appends an encoding as it is, or what the model reads in place of one without tokens. Throws
/// kInvalidArgument if it has none and the model reads nothing in its place.
void append_row(const tokenizer::Encoding& encoding, const TaskModel& model, Encoded& encoded);

/// Row `i` of [rows, n].
[[nodiscard]] std::span<const float> row_of(const TensorView& tensor, int64_t i);

/// Throws kInternal unless the output is float32 [rows, n].
void check_rows(const TensorView& output, int64_t rows);

/// Throws kUnsupported unless the output is as wide as the model has labels.
void check_labels(const TensorView& output, const TaskModel& model);

/// The prompt of that name, or with no name the model's default; empty if there is none. Throws
/// kInvalidArgument for an unknown name.
[[nodiscard]] const std::string& prompt_named(const std::optional<std::string>& name,
                                              const TaskModel& model);

/// The prompt before the text of a query or a document: `prompt`, else that of `prompt_name`, else
/// the one called "query" or "document", as encode_query() and encode_document() of
/// sentence-transformers: not the model's default. Throws as prompt_named().
[[nodiscard]] const std::string& prompt_of_side(const std::optional<std::string>& prompt,
                                                const std::optional<std::string>& prompt_name,
                                                bool query, const TaskModel& model);

/// The weights of a row of a vocabulary [1, V], or of the tokens [T, 1] of `sequence`.
[[nodiscard]] std::vector<SparseWeight> sparse_weights(const TensorView& output,
                                                       const Sequence& sequence,
                                                       const std::optional<int64_t>& top_k,
                                                       const TaskModel& model);

/// Appends the sequence of a query, or of a document, as the model reads it to compare tokens.
void append_side(std::string_view text, bool query, const Truncation& truncation,
                 const TaskModel& model, Encoded& encoded);
/// The vectors [T, n] of the tokens of `sequence` that count.
[[nodiscard]] EmbedMultiResult token_vectors(const TensorView& rows, const Sequence& sequence,
                                             bool query, const TaskModel& model);

/// Throws kInvalidArgument: a task that takes neither pair nor several texts got them.
void check_single_text(const TaskInput& input, TaskKind kind);

/// Throws kInvalidArgument unless `value` is at least `least`.
void check_least(std::string_view option, int64_t value, int64_t least);
void check_least(std::string_view option, const std::optional<int64_t>& value, int64_t least);

/// Indices of the greatest `count` values, falling; equals keep their order.
[[nodiscard]] std::vector<int64_t> top_indices(std::span<const float> values, int64_t count);

/// The label as config.json names it.
[[nodiscard]] const std::string& label_of(const TaskModel& model, int64_t id);

}  // namespace tamis::tasks
