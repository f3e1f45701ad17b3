// Entities over labels that come with the text: the other half of the task ner.
//
// Is: for ner.cc. Is not: for other modules. May use: task.
#pragma once

#include "tasks/task.h"

namespace tamis::tasks {

/// Throws kInvalidArgument for options that only a model with span_labels reads.
void refuse_labels(const NerOptions& options);

/// Of a model with span_labels. Selects the tokens of the labels, then those of the words, whose
/// places are the window's offsets. Throws Error: kInvalidArgument (no labels, too many, one
/// without tokens, a threshold that is no probability, an option of other models, a text that is
/// too long with truncation off), kUnsupported.
void encode_labels(const NerOptions& options, const TaskModel& model, Encoded& encoded);

/// scores: [selected tokens, max_width * most_labels].
[[nodiscard]] NerResult decode_labels(const NerOptions& options, const TaskModel& model,
                                      const Encoded& encoded, const TensorView& scores);

}  // namespace tamis::tasks
