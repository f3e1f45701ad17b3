#include "optimize/budget.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "optimize/format.h"

namespace tamis::api {

namespace {

using tasks::Problem;
using tasks::TaskKind;

constexpr auto kInvalid = ErrorCode::kInvalidArgument;

// Texts to calibrate on are often texts that the model was trained on, and there it is surer than
// elsewhere: two models flipped 2.4 and 4 times as often on texts they had not seen as expected.
constexpr double kOptimism = 2;

/// How a metric is written, and how a written number becomes a loss.
struct MetricRow {
  BudgetMetric metric;
  std::string_view name;
  bool at_least;   ///< written as the least value accepted; the loss is 1 less it
  double unit;     ///< of the number as written
  double largest;  ///< number as written, after the unit
};
constexpr MetricRow kMetrics[] = {
    {BudgetMetric::kFlips, "flips", false, 1, 1},
    {BudgetMetric::kKl, "kl", false, 1, 1e9},
    {BudgetMetric::kCosine, "cosine", true, 1, 1},
    {BudgetMetric::kSpearman, "spearman", true, 1, 1},
    {BudgetMetric::kAccuracy, "accuracy", false, 0.01, 1},
};
constexpr std::string_view kAccepted =
    "accepted are flips=0.5%, kl=1e-4, cosine=0.999, spearman=0.999 and accuracy=0.1 (points of "
    "100)";

const MetricRow& row_of(BudgetMetric metric) { return kMetrics[static_cast<size_t>(metric)]; }

bool is_embedding(TaskKind task) {
  return task == TaskKind::kEmbed || task == TaskKind::kEmbedSparse ||
         task == TaskKind::kEmbedMulti || task == TaskKind::kEmbedAll;
}

bool is_score(TaskKind task, Problem problem) {
  return task == TaskKind::kRerank ||
         (task == TaskKind::kClassify && problem == Problem::kRegression);
}

bool has_metric(BudgetMetric metric, TaskKind task, Problem problem) {
  const bool embed = is_embedding(task);
  const bool regression = task == TaskKind::kClassify && problem == Problem::kRegression;
  switch (metric) {
    case BudgetMetric::kFlips:
    case BudgetMetric::kKl:
      return !embed && !regression;
    case BudgetMetric::kCosine:
      return embed;
    case BudgetMetric::kSpearman:
      return is_score(task, problem);
    case BudgetMetric::kAccuracy:
      return (task == TaskKind::kClassify && !regression) || task == TaskKind::kQa;
  }
  return false;
}

double need(const std::optional<double>& value, const Budget& budget) {
  if (value) return *value;
  fail(kInvalid, "--budget ", row_of(budget.metric).name, ": the held-out texts do not give it",
       budget.metric == BudgetMetric::kAccuracy
           ? "; each row of --calibration needs the truth (label, or answers)"
           : "; they are all alike, or too few");
}

}  // namespace

Budget parse_budget(std::string_view text) {
  const size_t equals = text.find('=');
  const MetricRow* row = nullptr;
  for (const MetricRow& known : kMetrics) {
    if (equals != std::string_view::npos && text.substr(0, equals) == known.name) row = &known;
  }
  if (row == nullptr) fail(kInvalid, "--budget ", text, ": unknown; ", kAccepted);
  std::string_view number = text.substr(equals + 1);
  double unit = row->unit;
  if (number.ends_with('%')) {
    number.remove_suffix(1);
    unit = 0.01;
  }
  double value = 0;
  const char* end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
    fail(kInvalid, "--budget ", text, ": \"", number, "\" is not a number; ", kAccepted);
  }
  value *= unit;
  if (value < 0 || value > row->largest) {
    fail(kInvalid, "--budget ", text, ": must lie between 0 and ", row->largest / row->unit, "; ",
         kAccepted);
  }
  Budget budget;
  budget.metric = row->metric;
  budget.limit = row->at_least ? 1 - value : value;
  return budget;
}

Budget default_budget(TaskKind task, Problem problem) {
  Budget budget;
  if (is_embedding(task)) {
    budget.metric = BudgetMetric::kCosine;
    budget.limit = 0.001;
  } else if (is_score(task, problem)) {
    budget.metric = BudgetMetric::kSpearman;
    budget.limit = 0.001;
  }
  return budget;
}

void check_budget(const Budget& budget, TaskKind task, Problem problem) {
  if (has_metric(budget.metric, task, problem)) return;
  std::string has;
  for (const MetricRow& row : kMetrics) {
    if (has_metric(row.metric, task, problem)) has += cat(has.empty() ? "" : ", ", row.name);
  }
  fail(kInvalid, "--budget ", row_of(budget.metric).name, ": a model for ", tasks::task_name(task),
       " does not have it; it has ", has);
}

std::string_view metric_name(BudgetMetric metric) { return row_of(metric).name; }

std::string loss_text(double loss, BudgetMetric metric) {
  if (std::isinf(loss)) return "none";
  switch (metric) {
    case BudgetMetric::kFlips:
      return format("%.3g %%", 100 * loss);
    case BudgetMetric::kKl:
      return format("%.3g", loss);
    case BudgetMetric::kCosine:
    case BudgetMetric::kSpearman:
      return format("%.6g", 1 - loss);
    case BudgetMetric::kAccuracy:
      return format("%.3g points", 100 * loss);
  }
  return "";
}

std::string budget_text(const Budget& budget) {
  const MetricRow& row = row_of(budget.metric);
  return cat(row.name, row.at_least ? " >= " : " <= ", loss_text(budget.limit, budget.metric));
}

std::string budget_flag(const Budget& budget) {
  const MetricRow& row = row_of(budget.metric);
  const double value = row.at_least ? 1 - budget.limit : budget.limit / row.unit;
  return cat(row.name, "=", format("%.9g", value));
}

BudgetLoss loss_of(const Evaluation& evaluation, const Budget& budget) {
  const Agreement against = evaluation.against.value_or(Agreement{});
  switch (budget.metric) {
    case BudgetMetric::kFlips:
      // A few hundred rows may happen to hold no flip of a model that has some to be expected.
      return {std::max(need(against.flip_share(), budget),
                       kOptimism * against.expected_flips.value_or(0)),
              need(against.flips_upper_95(), budget)};
    case BudgetMetric::kKl:
      return {need(against.kl, budget), need(against.kl_upper_95, budget)};
    case BudgetMetric::kCosine:
      return {1 - need(against.cosine_median, budget), 1 - need(against.cosine_lower_95, budget)};
    case BudgetMetric::kSpearman:
      return {1 - need(against.spearman, budget), 1 - need(against.spearman_lower_95, budget)};
    case BudgetMetric::kAccuracy:
      if (!evaluation.paired) need(std::nullopt, budget);
      return {evaluation.paired->drop(), evaluation.paired->drop_upper_95()};
  }
  return {};
}

void require_known(const Evaluation& same, const Budget& budget) {
  const BudgetLoss loss = loss_of(same, budget);
  if (!std::isnan(loss.estimate) && !std::isnan(loss.upper_95)) return;
  fail(kInvalid, "--budget ", row_of(budget.metric).name,
       ": the held-out texts do not give it; fp32's answers to them are all alike, or too few");
}

double deciding_loss(const BudgetLoss& loss, const Budget& budget) {
  return budget.certify ? loss.upper_95 : loss.estimate;
}

}  // namespace tamis::api
