// The parameters of Hugging Face's pipelines as the tasks' options.
//
// Is: one reader a task, shared by the pipeline routes and this program's own; `parameters` are of
// a form with the task's rows. Is not: inputs or answers. May use: call, fields, json_fields.
#pragma once

#include <string>
#include <vector>

#include "serve/protocol/call.h"
#include "serve/protocol/fields.h"
#include "serve/protocol/json_fields.h"

namespace tamis::serve {

/// `truncate` or `truncation` (default: the server's), `truncation_direction`, `max_length`.
[[nodiscard]] Truncation read_pipeline_truncation(const Fields& parameters, const Call& call);

/// `normalize`, `dimensions`, `prompt_name`.
[[nodiscard]] tasks::EmbedOptions read_embed_options(const Fields& parameters, const Call& call);
/// `top_k`, `function_to_apply`.
[[nodiscard]] tasks::ClassifyOptions read_classify_options(const Fields& parameters,
                                                           const Call& call);
/// `aggregation_strategy`, `ignore_labels`, `stride`, `labels`, `threshold`, `flat_ner`,
/// `multi_label`.
[[nodiscard]] tasks::NerOptions read_ner_options(const Fields& parameters, const Call& call);
/// `top_k`, `max_answer_len`, `handle_impossible_answer`, `align_to_words`, `max_seq_len`,
/// `doc_stride`, `max_question_len`.
[[nodiscard]] tasks::QaOptions read_qa_options(const Fields& parameters);
/// `top_k`, `targets`.
[[nodiscard]] tasks::FillMaskOptions read_fill_mask_options(const Fields& parameters,
                                                            const Call& call);
/// `hypothesis_template`, `multi_label`.
[[nodiscard]] tasks::ZeroShotOptions read_zero_shot_options(const Fields& parameters,
                                                            const Call& call);
/// `candidate_labels`: a list, or one string with commas.
[[nodiscard]] std::vector<std::string> read_candidate_labels(const Fields& parameters,
                                                             const Budget& budget);
/// `candidate_labels` as those of each of the request's inputs, priced before they are copied.
void add_labels(JsonView parameters, Request& request);

/// The options of that task, by its form.
[[nodiscard]] tasks::TaskOptions read_task_options(tasks::TaskKind task, JsonView parameters,
                                                   const Call& call);

/// A text.
[[nodiscard]] tasks::TaskInput read_text(JsonView item, std::string_view key);
/// A text, or {"text","text_pair"}.
[[nodiscard]] tasks::TaskInput read_text_or_pair(JsonView item, std::string_view key);
/// {"question","context"}.
[[nodiscard]] tasks::TaskInput read_question(JsonView item, std::string_view key);

/// What reads an input of that task: one of the three above.
using InputReader = tasks::TaskInput (*)(JsonView, std::string_view);
[[nodiscard]] InputReader reader_of(tasks::TaskKind task);

/// One item or a list of them, each read by `read`; true for a list. Throws for an empty list and
/// for more items than the server takes.
bool read_items(JsonView items, std::string_view key, InputReader read, Request& request);

}  // namespace tamis::serve
