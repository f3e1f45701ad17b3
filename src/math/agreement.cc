#include "math/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "math/finite.h"

namespace tamis::math {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// The normal distribution's 95 % quantile, and the chance left beyond it.
constexpr double kNormal95 = 1.6448536269514722;
constexpr double kMiss = 0.05;

bool any_nan(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
}

/// Ranks from 1 on; equals share the mean of theirs.
std::vector<double> mean_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [values](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin + end) + 1) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double pearson(std::span<const double> x, std::span<const double> y) {
  const double mean_x = mean(x);
  const double mean_y = mean(y);
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x;
    const double dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0) : kNan;
}

double log_sum_exp(std::span<const float> x) {
  const double greatest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float value : x) sum += std::exp(value - greatest);
  return greatest + std::log(sum);
}

/// log(sigmoid(x)) without overflow.
double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }

/// log of the chance of exactly `failures` of `count` at p = odds / (1 + odds), less the binomial
/// coefficient.
struct Binomial {
  int64_t failures;
  int64_t count;
  double log_choose;

  Binomial(int64_t failures_in, int64_t count_in)
      : failures(failures_in), count(count_in), log_choose(0) {
    const int64_t smaller = std::min(failures, count - failures);
    for (int64_t i = 1; i <= smaller; ++i) {
      log_choose += std::log(static_cast<double>(count - smaller + i) / static_cast<double>(i));
    }
  }

  /// The chance of `failures` or fewer. Summed from the last term down, which above the mode is
  /// from the greatest down; it ends where a term no longer counts.
  [[nodiscard]] double chance_of_at_most(double p) const {
    const double odds_against = (1 - p) / p;
    double term = std::exp(log_choose + static_cast<double>(failures) * std::log(p) +
                           static_cast<double>(count - failures) * std::log1p(-p));
    double sum = term;
    for (int64_t i = failures; i > 0 && term > sum * 1e-18; --i) {
      term *= static_cast<double>(i) / static_cast<double>(count - i + 1) * odds_against;
      sum += term;
    }
    return sum;
  }
};

}  // namespace

double spearman(std::span<const double> x, std::span<const double> y) {
  TAMIS_CHECK(x.size() == y.size());
  if (x.size() < 2 || any_nan(x) || any_nan(y)) return kNan;
  return pearson(mean_ranks(x), mean_ranks(y));
}

double cosine(std::span<const float> x, std::span<const float> y) {
  TAMIS_CHECK(x.size() == y.size());
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += double{x[i]} * x[i];
    yy += double{y[i]} * y[i];
    xy += double{x[i]} * y[i];
  }
  return xx > 0 && yy > 0 ? std::clamp(xy / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0) : 0;
}

double dot(std::span<const float> x, std::span<const float> y) {
  TAMIS_CHECK(x.size() == y.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += double{x[i]} * y[i];
  return sum;
}

double euclidean_distance(std::span<const float> x, std::span<const float> y) {
  TAMIS_CHECK(x.size() == y.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
  return std::sqrt(sum);
}

double manhattan_distance(std::span<const float> x, std::span<const float> y) {
  TAMIS_CHECK(x.size() == y.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::abs(double{x[i]} - y[i]);
  return sum;
}

double quantile(std::span<const double> values, double q) {
  TAMIS_CHECK(q >= 0 && q <= 1);
  if (values.empty() || any_nan(values)) return kNan;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double softmax_kl(std::span<const float> reference, std::span<const float> other) {
  TAMIS_CHECK(reference.size() == other.size());
  if (reference.empty()) return 0;
  const double log_p = log_sum_exp(reference);
  const double log_q = log_sum_exp(other);
  double sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double p = reference[i] - log_p;
    sum += std::exp(p) * (p - (other[i] - log_q));
  }
  return std::max(sum, 0.0);  // rounding may leave equal rows a little below
}

double sigmoid_kl(std::span<const float> reference, std::span<const float> other) {
  TAMIS_CHECK(reference.size() == other.size());
  double sum = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double yes = log_sigmoid(reference[i]);
    const double no = log_sigmoid(-double{reference[i]});
    sum += std::exp(yes) * (yes - log_sigmoid(other[i]));
    sum += std::exp(no) * (no - log_sigmoid(-double{other[i]}));
  }
  return std::max(sum, 0.0);
}

bool argmax_flips(std::span<const float> reference, std::span<const float> other) {
  TAMIS_CHECK(reference.size() == other.size());
  if (!all_finite(reference) || !all_finite(other)) return true;
  const auto greatest = [](std::span<const float> row) {
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  return greatest(reference) != greatest(other);
}

bool threshold_flips(std::span<const float> reference, std::span<const float> other) {
  TAMIS_CHECK(reference.size() == other.size());
  if (!all_finite(reference) || !all_finite(other)) return true;
  for (size_t i = 0; i < reference.size(); ++i) {
    if ((reference[i] > 0) != (other[i] > 0)) return true;
  }
  return false;
}

DecisionMargin decision_margin(std::span<const float> reference, std::span<const float> other) {
  TAMIS_CHECK(reference.size() == other.size() && reference.size() >= 2);
  size_t first = 0;
  for (size_t i = 1; i < reference.size(); ++i) {
    if (reference[i] > reference[first]) first = i;
  }
  size_t next = first == 0 ? 1 : 0;
  for (size_t i = next + 1; i < reference.size(); ++i) {
    if (i != first && reference[i] > reference[next]) next = i;
  }
  const double margin =
      static_cast<double>(reference[first]) - static_cast<double>(reference[next]);
  if (!all_finite(other)) return {margin, kInfinity};
  return {margin, margin - (static_cast<double>(other[first]) - static_cast<double>(other[next]))};
}

double expected_flips(std::span<const DecisionMargin> rows) {
  if (rows.empty()) return kNan;
  std::vector<double> shifts;
  for (const DecisionMargin& row : rows) shifts.push_back(row.shift);
  std::sort(shifts.begin(), shifts.end());
  double pairs = 0;
  for (const DecisionMargin& row : rows) {
    pairs += static_cast<double>(shifts.end() -
                                 std::upper_bound(shifts.begin(), shifts.end(), row.margin));
  }
  const auto count = static_cast<double>(rows.size());
  return pairs / (count * count);
}

double clopper_pearson_upper(int64_t failures, int64_t count, double confidence) {
  TAMIS_CHECK(failures >= 0 && failures <= count && confidence > 0 && confidence < 1);
  if (failures == count) return 1;
  const Binomial binomial(failures, count);
  // The chance falls as p grows, and lies above 1 - confidence at the share that was seen wherever
  // confidence is at least one half; below that the search begins at 0.
  double low = confidence >= 0.5 ? static_cast<double>(failures) / static_cast<double>(count) : 0;
  double high = 1;
  // 100 halvings: more than the 53 bits of a double need.
  for (int i = 0; i < 100 && high - low > 1e-16 * high; ++i) {
    const double middle = low + (high - low) / 2;
    (binomial.chance_of_at_most(middle) > 1 - confidence ? low : high) = middle;
  }
  return high;
}

double clopper_pearson_lower(int64_t failures, int64_t count, double confidence) {
  return count == 0 ? 0 : 1 - clopper_pearson_upper(count - failures, count, confidence);
}

double mcnemar_p(int64_t broken, int64_t fixed) {
  TAMIS_CHECK(broken >= 0 && fixed >= 0);
  if (broken == fixed) return 1;
  const Binomial coins(std::min(broken, fixed), broken + fixed);
  return std::min(1.0, 2 * coins.chance_of_at_most(0.5));
}

double median_lower_95(std::span<const double> values) {
  if (any_nan(values)) return kNan;
  // That the least of four lies above the median of all has a chance of 0.5^4, over 5 %.
  if (values.size() < 5) return -kInfinity;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  // The value at place r (from 0) lies above the median if r or fewer of all lie below it.
  const auto count = static_cast<int64_t>(sorted.size());
  int64_t rank = 0;
  while (rank + 1 < count && Binomial(rank + 1, count).chance_of_at_most(0.5) <= kMiss) ++rank;
  return sorted[static_cast<size_t>(rank)];
}

double mean_upper_95(std::span<const double> values) {
  if (any_nan(values)) return kNan;
  if (values.size() < 2) return kInfinity;
  const double middle = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - middle) * (value - middle);
  const auto count = static_cast<double>(values.size());
  return middle + kNormal95 * std::sqrt(squares / (count - 1) / count);
}

double spearman_lower_95(double correlation, int64_t count) {
  if (std::isnan(correlation)) return kNan;
  if (count < 4) return -1;
  // atanh(1) is infinite: a correlation that rounding cannot tell from 1 is taken a little below.
  const double r = std::min(correlation, 1 - 1e-12);
  const double error = std::sqrt((1 + r * r / 2) / static_cast<double>(count - 3));
  return std::tanh(std::atanh(r) - kNormal95 * error);
}

}  // namespace tamis::math
