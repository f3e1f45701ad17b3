// Models that find entities over labels that come with the text (GLiNER), in the ids of their
// tokenizer.
//
// Is: marks looked up, and labels where nobody gives any. Is not: the reading of files (formats).
// May use: formats, tokenizer, tasks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/gliner_config.h"
#include "model/loaded_model.h"
#include "tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace tamis::api {

/// `tokenizer` may be null where token ids alone are taken. Throws Error{kUnsupported} for marks
/// that are other tokens than the config says; `folder` names the model.
[[nodiscard]] tasks::SpanLabels span_labels(const GlinerConfig& config,
                                            const tokenizer::Tokenizer* tokenizer,
                                            const std::filesystem::path& folder);

/// What calibration, checks and benchmarks look for.
[[nodiscard]] const std::vector<std::string>& usual_labels();

/// The options that a task starts with, with usual_labels() for a model that needs labels.
[[nodiscard]] tasks::TaskOptions usual_options(const LoadedModel& model);

/// Makes drawn ids those of a few labels of one token each, with words behind them of which most
/// have one token.
void draw_labels(const tasks::SpanLabels& labels, tasks::Sequence& sequence);

/// The rows that such a model computes of a sequence as encode() makes it: its labels', then that
/// of the word behind them.
[[nodiscard]] std::vector<int32_t> select_first_word(const std::vector<int32_t>& ids,
                                                     const tasks::SpanLabels& labels);

}  // namespace tamis::api
