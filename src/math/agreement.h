// How far two models agree, in numbers: for eval, and for the search that quantizes.
//
// Is: arithmetic on arrays, in double. Is not: aware of labels' names, texts or tasks
// (tasks/metrics.h is). May use: nothing.
//
// Thread-safe. "reference" is the model that the other is held against. Sizes of two spans are
// equal; a caller's bug otherwise.
#pragma once

#include <cstdint>
#include <span>

namespace tamis::math {

/// Spearman's rank correlation, equals sharing their mean rank, as scipy.stats.spearmanr. NaN for
/// fewer than two values, or where one side is constant or holds a NaN.
[[nodiscard]] double spearman(std::span<const double> x, std::span<const double> y);

/// x.y / (|x| |y|); 0 where a vector has no length.
[[nodiscard]] double cosine(std::span<const float> x, std::span<const float> y);

/// x.y
[[nodiscard]] double dot(std::span<const float> x, std::span<const float> y);
/// The length of x - y.
[[nodiscard]] double euclidean_distance(std::span<const float> x, std::span<const float> y);
/// The sum of |x - y|.
[[nodiscard]] double manhattan_distance(std::span<const float> x, std::span<const float> y);

/// The q-quantile, 0 <= q <= 1, between neighbors by linear interpolation, as numpy.quantile. NaN
/// for no values or if one is NaN.
[[nodiscard]] double quantile(std::span<const double> values, double q);

/// Kullback-Leibler divergence in nats of softmax(other) from softmax(reference).
[[nodiscard]] double softmax_kl(std::span<const float> reference, std::span<const float> other);

/// The same for labels that hold or not each for itself: the sum over sigmoid(logit).
[[nodiscard]] double sigmoid_kl(std::span<const float> reference, std::span<const float> other);

/// True if the greatest logits stand at different places; of equals the first counts. Where
/// a number is not finite there is no decision to agree on: true.
[[nodiscard]] bool argmax_flips(std::span<const float> reference, std::span<const float> other);

/// True if any label crosses probability 1/2, logit 0, or is not finite.
[[nodiscard]] bool threshold_flips(std::span<const float> reference, std::span<const float> other);

/// How far one decision of argmax was from another, and how far it moved.
struct DecisionMargin {
  double margin = 0;  ///< of the reference's greatest logit over its next
  double shift = 0;   ///< what the other model's margin between the same two is smaller by
};

/// Both of one row of at least two logits; of equals the first counts. The shift is infinite where
/// a number of the other is not finite, so that it decides nothing.
[[nodiscard]] DecisionMargin decision_margin(std::span<const float> reference,
                                             std::span<const float> other);

/// The share of flips that these rows let expect of others like them: of all pairs of a margin and
/// a shift, those where the shift is the larger. Unlike a count of flips it tells apart models that
/// flip none of a few hundred rows. Takes shifts as independent of margins. NaN for no rows.
[[nodiscard]] double expected_flips(std::span<const DecisionMargin> rows);

/// The one-sided upper bound of Clopper and Pearson: the share of failures at which `failures` or
/// fewer of `count` have a chance of 1 - confidence. 1 if all failed or count is 0.
[[nodiscard]] double clopper_pearson_upper(int64_t failures, int64_t count,
                                           double confidence = 0.95);

/// The lower bound that goes with it: the share at which `failures` or more have a chance of
/// 1 - confidence. 0 if none failed or count is 0.
[[nodiscard]] double clopper_pearson_lower(int64_t failures, int64_t count,
                                           double confidence = 0.95);

/// McNemar's exact test, two-sided: the chance that of `broken` + `fixed` fair coins as few or
/// fewer fall on the rarer side. 1 if there are none.
[[nodiscard]] double mcnemar_p(int64_t broken, int64_t fixed);

/// With 95 % confidence, one-sided, the median of what these values were drawn from is at least
/// this: the order statistic that the binomial distribution gives. -infinity for fewer than five
/// values, NaN if one is.
[[nodiscard]] double median_lower_95(std::span<const double> values);

/// With 95 % confidence, one-sided, the mean is at most this: mean + 1.645 standard errors, which
/// takes the mean of many values as normal. Infinity for fewer than two values, NaN if one is.
[[nodiscard]] double mean_upper_95(std::span<const double> values);

/// The same for a rank correlation seen over `count` pairs: Fisher's z with Bonett and Wright's
/// standard error (Psychometrika 65, 2000). -1 for fewer than four pairs.
[[nodiscard]] double spearman_lower_95(double correlation, int64_t count);

}  // namespace tamis::math
