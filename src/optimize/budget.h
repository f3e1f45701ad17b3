// What a quantized model may lose, and how sure one is that it loses no more.
//
// Is: --budget read, its default for each task, and what a measured evaluation says about it. Is
// not: the measuring (held_out.h) or the search (choose_plan.h). May use: evaluate.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "optimize/evaluate.h"

namespace tamis::api {

enum class BudgetMetric : uint8_t {
  kFlips,     ///< share of decisions that differ from fp32
  kKl,        ///< mean divergence of the logits, nats
  kCosine,    ///< median cosine of embeddings to fp32's, at least
  kSpearman,  ///< rank correlation of scores with fp32's, at least
  kAccuracy,  ///< accuracy lost against fp32, on rows with the truth
};

/// A limit on what is lost: the share of flips, KL, 1 - cosine, 1 - correlation, or accuracy as a
/// fraction.
struct Budget {
  BudgetMetric metric = BudgetMetric::kFlips;
  double limit = 0.005;
  bool certify = false;  ///< the 95 % bound decides, not the estimate
};

/// "flips=0.5%" (or 0.005), "kl=1e-4", "cosine=0.999", "spearman=0.999", "accuracy=0.1" (points,
/// out of 100). Throws Error{kInvalidArgument} showing these.
[[nodiscard]] Budget parse_budget(std::string_view text);

/// Flips 0.5 % where the task decides, cosine 0.999 for embeddings, Spearman 0.999 for scores.
[[nodiscard]] Budget default_budget(tasks::TaskKind task, tasks::Problem problem);

/// Throws Error{kInvalidArgument} if the task has no such figure: which ones it has.
void check_budget(const Budget& budget, tasks::TaskKind task, tasks::Problem problem);

/// "flips <= 0.5 %", as reports say it.
[[nodiscard]] std::string budget_text(const Budget& budget);
/// "flips=0.005", as --budget takes it.
[[nodiscard]] std::string budget_flag(const Budget& budget);

/// What an evaluation says of a budget.
struct BudgetLoss {
  double estimate = 0;
  double upper_95 = 0;  ///< one-sided
};

/// The estimate of flips is the larger of the share counted and twice the share expected. Throws
/// Error{kInvalidArgument} if the evaluation lacks the figure: no row of the held-out texts
/// has what is needed.
[[nodiscard]] BudgetLoss loss_of(const Evaluation& evaluation, const Budget& budget);

/// Throws Error{kInvalidArgument} if the texts cannot tell any two models apart by the budget's
/// figure. `same`: one model's answers to them, held against themselves.
void require_known(const Evaluation& same, const Budget& budget);

/// The loss that decides.
[[nodiscard]] double deciding_loss(const BudgetLoss& loss, const Budget& budget);

/// "flips", "cosine": as a budget is written.
[[nodiscard]] std::string_view metric_name(BudgetMetric metric);
/// The loss in the metric's own words: "0.27 %", "0.99982"; "none" of a bound that bounds nothing.
[[nodiscard]] std::string loss_text(double loss, BudgetMetric metric);

}  // namespace tamis::api
