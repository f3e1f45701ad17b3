// Values that scipy and numpy recorded (testdata/metrics.json), and edges.
#include "math/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace tamis::math {
namespace {

// Sums of at most a few hundred doubles near 1: their rounding stays under 1e-13.
constexpr double kTolerance = 1e-13;

template <typename T>
std::vector<T> numbers(JsonView list) {
  std::vector<T> values;
  for (size_t i = 0; i < list.size(); ++i) {
    values.push_back(static_cast<T>(list.at(i).as_double("number")));
  }
  return values;
}

double number(JsonView row, std::string_view key) { return row.get(key).as_double(key); }

void check_spearman(JsonView row) {
  const auto x = numbers<double>(row.get("x"));
  const auto y = numbers<double>(row.get("y"));
  EXPECT_NEAR(spearman(x, y), number(row, "value"), kTolerance);
}

void check_clopper_pearson(JsonView row) {
  const double value = number(row, "value");
  const int64_t failures = row.get("failures").as_int("failures");
  // log(n over k) is a sum of k logarithms; k eps(sum) is the error of the chance's exponent.
  EXPECT_NEAR(clopper_pearson_upper(failures, row.get("count").as_int("count")), value,
              value * (1e-12 + 1e-13 * static_cast<double>(failures)));
}

void check_divergence(JsonView row) {
  const auto p = numbers<float>(row.get("p"));
  const auto q = numbers<float>(row.get("q"));
  EXPECT_NEAR(softmax_kl(p, q), number(row, "softmax_kl"), kTolerance);
  EXPECT_NEAR(sigmoid_kl(p, q), number(row, "sigmoid_kl"), kTolerance);
  EXPECT_NEAR(cosine(p, q), number(row, "cosine"), kTolerance);
}

void check_quantiles(JsonView row) {
  const auto values = numbers<double>(row.get("values"));
  EXPECT_NEAR(quantile(values, 0.01), number(row, "p01"), kTolerance);
  EXPECT_NEAR(quantile(values, 0.5), number(row, "median"), kTolerance);
  EXPECT_NEAR(quantile(values, 0.9), number(row, "p90"), kTolerance);
}

TEST(Agreement, ValuesAreThoseOfScipyAndNumpy) {
  const std::map<std::string, void (*)(JsonView), std::less<>> checks = {
      {"spearman", check_spearman},
      {"clopper_pearson", check_clopper_pearson},
      {"divergence", check_divergence},
      {"quantiles", check_quantiles},
  };
  const std::string text = read_file(TAMIS_TESTDATA "/metrics.json");
  const JsonDocument document = JsonDocument::parse(text, "metrics.json");
  const JsonView cases = document.root().get("cases");
  std::map<std::string, int> seen;
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto check = checks.find(cases.at(i).get("metric").as_string("metric"));
    if (check == checks.end()) continue;
    SCOPED_TRACE(cat("case ", i));
    check->second(cases.at(i));
    ++seen[check->first];
  }
  EXPECT_EQ(seen.size(), checks.size());
}

TEST(Agreement, SpearmanHasNoValueForConstants) {
  const std::vector<double> one = {1};
  const std::vector<double> same = {2, 2, 2};
  const std::vector<double> rising = {1, 2, 3};
  EXPECT_TRUE(std::isnan(spearman({}, {})));
  EXPECT_TRUE(std::isnan(spearman(one, one)));
  EXPECT_TRUE(std::isnan(spearman(same, rising)));
  EXPECT_EQ(spearman(rising, rising), 1);
  const std::vector<double> broken = {1, std::nan(""), 3};
  EXPECT_TRUE(std::isnan(spearman(rising, broken)));
  EXPECT_TRUE(std::isnan(quantile(broken, 0.5)));
}

TEST(Agreement, NothingDivergesFromItself) {
  const std::vector<float> row = {1000, -1000, 3};
  EXPECT_EQ(softmax_kl(row, row), 0);
  EXPECT_EQ(sigmoid_kl(row, row), 0);
  EXPECT_EQ(softmax_kl({}, {}), 0);
  EXPECT_FALSE(argmax_flips(row, row));
  EXPECT_FALSE(threshold_flips(row, row));
}

TEST(Agreement, FlipsAreChangesOfTheDecision) {
  const std::vector<float> first = {2, 1, -1};
  const std::vector<float> tied = {1, 1, -1};
  const std::vector<float> second = {1, 2, -1};
  const std::vector<float> third = {1, 1, 1};
  EXPECT_FALSE(argmax_flips(first, tied));
  EXPECT_TRUE(argmax_flips(first, second));
  EXPECT_FALSE(threshold_flips(first, second));
  EXPECT_TRUE(threshold_flips(first, third));
  const std::vector<float> on_the_line = {1, 1, 0};
  EXPECT_FALSE(threshold_flips(first, on_the_line));
}

TEST(Agreement, MarginIsOfTheReferencesTwoGreatest) {
  const std::vector<float> reference = {1, 5, 3, -2};
  const std::vector<float> other = {9, 4.5f, 3.25f, 0};
  const DecisionMargin row = decision_margin(reference, other);
  EXPECT_EQ(row.margin, 2);
  EXPECT_EQ(row.shift, 0.75);
  const std::vector<float> tied = {4, 4};
  EXPECT_EQ(decision_margin(tied, tied).margin, 0);
  const std::vector<float> first = {7, 1, 2};
  EXPECT_EQ(decision_margin(first, first).margin, 5);
}

TEST(Agreement, ExpectedFlipsPairEveryMarginWithEveryShift) {
  // No row flips; of the nine pairs, shifts 0.75 and 2 pass the margin 0.5, and 2 passes 1.
  const std::vector<DecisionMargin> rows = {{0.5, -3}, {1, 0.75}, {4, 2}};
  EXPECT_DOUBLE_EQ(expected_flips(rows), 3.0 / 9);
  const std::vector<DecisionMargin> still = {{0, 0}, {1, 0}};
  EXPECT_EQ(expected_flips(still), 0);
  EXPECT_TRUE(std::isnan(expected_flips({})));
}

TEST(Agreement, CosineAndQuantileOfNothing) {
  const std::vector<float> zero = {0, 0};
  const std::vector<float> row = {3, 4};
  EXPECT_EQ(cosine(zero, row), 0);
  EXPECT_EQ(cosine(row, row), 1);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
  const std::vector<double> two = {2, 1};
  EXPECT_EQ(quantile(two, 0), 1);
  EXPECT_EQ(quantile(two, 1), 2);
}

TEST(Agreement, BoundsOfTheWholeRange) {
  EXPECT_EQ(clopper_pearson_upper(0, 0), 1);
  EXPECT_EQ(clopper_pearson_upper(3, 3), 1);
  // 1 - p = 0.1^(1/10)
  EXPECT_NEAR(clopper_pearson_upper(0, 10, 0.9), 1 - std::pow(0.1, 0.1), kTolerance);
  EXPECT_NEAR(clopper_pearson_upper(0, 1, 0.25), 0.25, kTolerance);
}

// Expected values: scipy 1.11's stats.binomtest and stats.beta.
TEST(Agreement, ExactTestsAndLowerBoundsAreScipys) {
  EXPECT_NEAR(mcnemar_p(3, 10), 0.09228515625, kTolerance);
  EXPECT_NEAR(mcnemar_p(6, 0), 0.03125, kTolerance);
  EXPECT_EQ(mcnemar_p(0, 0), 1);
  EXPECT_EQ(mcnemar_p(4, 4), 1);
  EXPECT_NEAR(clopper_pearson_lower(5, 100), 0.019905563661872016, 1e-9);
  EXPECT_NEAR(clopper_pearson_lower(1, 200), 0.0002564335872234742, 1e-9);
  EXPECT_EQ(clopper_pearson_lower(0, 7), 0);
  EXPECT_EQ(clopper_pearson_lower(0, 0), 0);
}

TEST(Agreement, BoundsOfMeansMediansAndRanks) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) values.push_back(19 - i);
  // Of 20 fair coins 5 or fewer fall heads with chance 0.021, 6 or fewer with 0.058.
  EXPECT_EQ(median_lower_95(values), 5);
  EXPECT_EQ(median_lower_95(std::vector<double>{3, 1, 2, 4, 5}), 1);
  EXPECT_EQ(median_lower_95(std::vector<double>{3, 1, 2, 4}), -infinity);
  EXPECT_EQ(median_lower_95({}), -infinity);
  EXPECT_TRUE(std::isnan(median_lower_95(std::vector<double>{1, std::nan("")})));
  // Variance of 0..19 is 35, over 20 values 1.75.
  EXPECT_NEAR(mean_upper_95(values), 9.5 + 1.6448536269514722 * std::sqrt(1.75), kTolerance);
  EXPECT_EQ(mean_upper_95(std::vector<double>{2}), infinity);
  EXPECT_EQ(mean_upper_95({}), infinity);
  EXPECT_TRUE(std::isnan(mean_upper_95(std::vector<double>{std::nan("")})));
  EXPECT_NEAR(spearman_lower_95(0.9, 50), 0.8299040524445388, 1e-12);
  EXPECT_NEAR(spearman_lower_95(0.999, 103), 0.9985044066758574, 1e-12);
  EXPECT_GT(spearman_lower_95(1.0, 100), 0.999999);
  EXPECT_EQ(spearman_lower_95(1.0, 3), -1);
}

// A model whose numbers overflow decides nothing, though the first of its logits would count as the
// greatest and none as above 0.
TEST(Agreement, NumbersThatAreNotFiniteAgreeWithNothing) {
  const std::vector<float> reference = {2, 1, -1};
  const std::vector<float> low = {-2, -1, -1};
  const float huge = std::numeric_limits<float>::infinity();
  for (const float none : {std::numeric_limits<float>::quiet_NaN(), huge, -huge}) {
    const std::vector<float> nothing(3, none);
    const std::vector<float> part = {2, 1, none};
    for (const std::vector<float>& other : {nothing, part}) {
      EXPECT_TRUE(argmax_flips(reference, other)) << none;
      EXPECT_TRUE(argmax_flips(other, other)) << none;
      EXPECT_TRUE(threshold_flips(low, other)) << none;
      EXPECT_TRUE(threshold_flips(other, other)) << none;
      const DecisionMargin rows[] = {decision_margin(reference, other),
                                     decision_margin(low, other)};
      EXPECT_EQ(expected_flips(rows), 1) << none;
    }
  }
}

TEST(Agreement, ProductsAndDistances) {
  const std::vector<float> x = {1, 2, -2};
  const std::vector<float> y = {4, -2, -2};
  EXPECT_EQ(dot(x, y), 4);
  EXPECT_EQ(euclidean_distance(x, y), 5);
  EXPECT_EQ(manhattan_distance(x, y), 7);
}

}  // namespace
}  // namespace tamis::math
