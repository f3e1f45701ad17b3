// What a model's answers on rows with the truth, or beside another model's, come to.
//
// Is: figures. Is not: how they are counted (measure). May use: nothing.
#pragma once

#include <cstdint>
#include <optional>

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
  int64_t scores = 0;                ///< that it is of: of each text of a query
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

}  // namespace tamis::api
