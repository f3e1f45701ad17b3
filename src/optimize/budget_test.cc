#include "optimize/budget.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "formats/test_util.h"

namespace tamis::api {
namespace {

using tasks::Problem;
using tasks::TaskKind;

TEST(Budget, IsReadInEachMetricsOwnUnits) {
  struct Row {
    const char* text;
    BudgetMetric metric;
    double limit;
    const char* shown;
  };
  const Row rows[] = {
      {"flips=0.5%", BudgetMetric::kFlips, 0.005, "flips <= 0.5 %"},
      {"flips=0.005", BudgetMetric::kFlips, 0.005, "flips <= 0.5 %"},
      {"kl=1e-4", BudgetMetric::kKl, 1e-4, "kl <= 0.0001"},
      {"cosine=0.999", BudgetMetric::kCosine, 0.001, "cosine >= 0.999"},
      {"cosine=99.9%", BudgetMetric::kCosine, 0.001, "cosine >= 0.999"},
      {"spearman=1", BudgetMetric::kSpearman, 0, "spearman >= 1"},
      {"accuracy=0.1", BudgetMetric::kAccuracy, 0.001, "accuracy <= 0.1 points"},
  };
  for (const Row& row : rows) {
    const Budget budget = parse_budget(row.text);
    EXPECT_EQ(budget.metric, row.metric) << row.text;
    EXPECT_NEAR(budget.limit, row.limit, 1e-15) << row.text;
    EXPECT_EQ(budget_text(budget), row.shown);
    const Budget again = parse_budget(budget_flag(budget));
    EXPECT_EQ(again.metric, budget.metric);
    EXPECT_NEAR(again.limit, budget.limit, 1e-9);
  }
}

TEST(Budget, RefusesWhatItCannotRead) {
  for (const char* text : {"", "flips", "flips=", "flips=x", "flips=1e999", "flips=nan", "=1",
                           "speed=2", "kl=-1", "cosine=1.5", "flips=101%", "kl=1e-4 ", "kl=1,2"}) {
    expect_error(ErrorCode::kInvalidArgument, "accepted are flips=0.5%",
                 [&] { (void)parse_budget(text); });
  }
}

TEST(Budget, DefaultsFollowTheTask) {
  const auto metric = [](TaskKind task, Problem problem = Problem::kUnknown) {
    const Budget budget = default_budget(task, problem);
    check_budget(budget, task, problem);
    return budget.metric;
  };
  EXPECT_EQ(metric(TaskKind::kEmbed), BudgetMetric::kCosine);
  EXPECT_EQ(metric(TaskKind::kClassify), BudgetMetric::kFlips);
  EXPECT_EQ(metric(TaskKind::kClassify, Problem::kMultiLabel), BudgetMetric::kFlips);
  EXPECT_EQ(metric(TaskKind::kClassify, Problem::kRegression), BudgetMetric::kSpearman);
  EXPECT_EQ(metric(TaskKind::kRerank), BudgetMetric::kSpearman);
  EXPECT_EQ(metric(TaskKind::kNer), BudgetMetric::kFlips);
  EXPECT_EQ(metric(TaskKind::kQa), BudgetMetric::kFlips);
  EXPECT_EQ(metric(TaskKind::kFillMask), BudgetMetric::kFlips);
}

TEST(Budget, ExpectedFlipsCountTwiceWhereTheyAreMoreThanTheCounted) {
  Evaluation evaluation;
  evaluation.against.emplace();
  evaluation.against->compared = 200;
  evaluation.against->flips = 0;
  evaluation.against->expected_flips = 0.004;
  EXPECT_DOUBLE_EQ(loss_of(evaluation, parse_budget("flips=0.5%")).estimate, 0.008);
  evaluation.against->flips = 2;
  EXPECT_DOUBLE_EQ(loss_of(evaluation, parse_budget("flips=0.5%")).estimate, 0.01);
}

// NaN is what scores that are all alike, or of a single text, have for a rank correlation.
TEST(Budget, IsRefusedWhereTheTextsCannotGiveIt) {
  Evaluation same;
  same.against.emplace();
  const Budget budget = parse_budget("spearman=0.999");
  same.against->spearman = std::nan("");
  same.against->spearman_lower_95 = -1;
  expect_error(ErrorCode::kInvalidArgument, "--budget spearman: the held-out texts do not give it",
               [&] { require_known(same, budget); });
  same.against->spearman = 1;
  require_known(same, budget);
  same.against->spearman.reset();
  expect_error(ErrorCode::kInvalidArgument, "they are all alike, or too few",
               [&] { require_known(same, budget); });
}

TEST(Budget, TheBoundIsBesideTheEstimate) {
  Evaluation evaluation;
  evaluation.against.emplace();
  evaluation.against->compared = 200;
  evaluation.against->flips = 1;
  Budget budget = parse_budget("flips=0.5%");
  const BudgetLoss loss = loss_of(evaluation, budget);
  EXPECT_DOUBLE_EQ(loss.estimate, 0.005);
  // scipy.stats.beta.ppf(0.95, 2, 199).
  EXPECT_NEAR(loss.upper_95, 0.023498470434950704, 1e-9);
  EXPECT_EQ(deciding_loss(loss, budget), loss.estimate);
  budget.certify = true;
  EXPECT_EQ(deciding_loss(loss, budget), loss.upper_95);
  evaluation.paired = PairedTruth{100, 3, 1, 90};
  const BudgetLoss lost = loss_of(evaluation, parse_budget("accuracy=1"));
  EXPECT_DOUBLE_EQ(lost.estimate, 0.02);
  EXPECT_GT(lost.upper_95, 0.02);
  EXPECT_THROW((void)loss_of(evaluation, parse_budget("kl=1")), Error);
}

TEST(Budget, ABoundOfTooFewTextsHasNoFigure) {
  EXPECT_EQ(loss_text(std::numeric_limits<double>::infinity(), BudgetMetric::kCosine), "none");
  EXPECT_EQ(loss_text(0.5, BudgetMetric::kCosine), "0.5");
}

}  // namespace
}  // namespace tamis::api
