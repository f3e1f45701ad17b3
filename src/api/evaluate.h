// How well a model does on rows with the truth, and how far it agrees with another.
//
// Is: the figures of tamis eval. Is not: reading of files (formats), nor the formulas
// (tasks/metrics.h, math/agreement.h). May use: all of api.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/loaded_model.h"
#include "formats/text_data.h"

namespace tamis::api {

/// The model held against another on the same rows. What the task does not have is empty.
struct Agreement {
  int64_t compared = 0;          ///< decisions: texts, or tokens for ner, or masks for fill-mask
  std::optional<int64_t> flips;  ///< decisions that differ
  /// Share of flips to be expected of rows like these (math::expected_flips), where one of
  /// several labels is chosen.
  std::optional<double> expected_flips;
  std::optional<double> kl;  ///< mean divergence of this model's logits from the other's, nats
  std::optional<double> cosine_median;
  std::optional<double> cosine_p01;  ///< 1 % quantile
  std::optional<double> spearman;    ///< of the two models' scores
  // What 95 % confidence, one-sided, leaves of them (math/agreement.h).
  std::optional<double> kl_upper_95;
  std::optional<double> cosine_lower_95;  ///< of the median
  std::optional<double> spearman_lower_95;
  /// How far apart the outputs are, in the task's own smooth measure: mean KL, 1 - mean cosine, or
  /// the mean squared difference as a share of the other's variance. For ranking, not for reading.
  double divergence = 0;

  [[nodiscard]] std::optional<double> flip_share() const;
  /// The one-sided 95 % bound of Clopper and Pearson.
  [[nodiscard]] std::optional<double> flips_upper_95() const;
};

/// Two models on the same rows with the truth: McNemar's table.
struct PairedTruth {
  int64_t rows = 0;
  int64_t broken = 0;  ///< right in the other model, wrong in this one
  int64_t fixed = 0;   ///< wrong in the other, right in this one
  int64_t other_right = 0;

  /// Accuracy that this model has lost, a fraction; negative if it has won some.
  [[nodiscard]] double drop() const;
  /// What 95 % confidence leaves of it: Clopper and Pearson's upper bound of the broken less the
  /// lower bound of the fixed, each at 97.5 % (Bonferroni).
  [[nodiscard]] double drop_upper_95() const;
  /// McNemar's exact test, two-sided.
  [[nodiscard]] double p_value() const;
};

/// Fractions, not percent. What the rows or the task do not have is empty.
struct Evaluation {
  int64_t rows = 0;
  int64_t truncated = 0;  ///< rows of which a model read only a part
  std::optional<double> accuracy;
  std::optional<double> macro_f1;
  std::optional<double> entity_f1;
  std::optional<double> exact_match;
  std::optional<double> answer_f1;
  std::optional<double> spearman;
  std::optional<Agreement> against;
  std::optional<PairedTruth> paired;  ///< where rows have one verdict each: classify, qa
};

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

/// The object of `tamis eval --json`.
[[nodiscard]] std::string evaluation_json(const Evaluation& evaluation);
/// Lines for a reader.
[[nodiscard]] std::string evaluation_text(const Evaluation& evaluation);

}  // namespace tamis::api
