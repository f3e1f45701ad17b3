// How well a model does on rows with the truth, and how far it agrees with another.
//
// Is: the figures of tamis eval. Is not: reading of files (formats), nor the formulas
// (tasks/metrics.h, math/agreement.h). May use: model, quant.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "formats/text_data.h"
#include "model/evaluation.h"
#include "model/loaded_model.h"

namespace tamis::api {

struct EvaluateOptions {
  std::string source;  ///< the rows' file, for errors
  int64_t max_batch_tokens = 16384;
  std::function<void(double fraction)> progress;  ///< may be empty
};

/// Runs the model's task on the rows, and `other` (may be null; must do the same task) too.
///
/// embed: cosine of `text` and `text_pair` against `score`. classify: the greatest logit (several
/// labels: every logit above 0) against `label`, a name of id2label or else a class index. One
/// logit, and rerank: the logit against `score` or a numeric `label`. ner: `tokens` and `tags` by
/// the label of each word's first token, or `text` and `entities` by exact spans of words; words
/// behind the model's length count as not found. qa: `answers` by SQuAD's rules, impossible ones
/// allowed if the file has some. fill-mask: agreement only.
///
/// Throws Error: kInvalidArgument naming `source` and line (a row that is not for this task, a
/// label the model does not have, a row without the truth that others have, no truth and no
/// `other`), or where the two models do not fit together.
[[nodiscard]] Evaluation evaluate(const LoadedModel& model, const LoadedModel* other,
                                  std::span<const TextRow> rows, const EvaluateOptions& options);

/// Figures of an agreement as members of the object that is open: the one form of eval and of
/// report.json.
void write_figures(JsonWriter& json, const Agreement& agreement);
/// The object of `tamis eval --json`.
[[nodiscard]] std::string evaluation_json(const Evaluation& evaluation);
/// Lines for a reader.
[[nodiscard]] std::string evaluation_text(const Evaluation& evaluation);

}  // namespace tamis::api
