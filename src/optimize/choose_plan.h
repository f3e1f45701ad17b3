// Which plan of a quantized model to ship: the most accurate of the fastest that keep the budget.
//
// Is: fp32, bf16, plain INT8, full INT8 and INT8 with layers put back in float, each measured on
// held-out texts and priced by the table. Is not: the quantization (quant), or the files of a
// bundle. May use: held_out, budget, quant.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optimize/budget.h"
#include "optimize/calibrate.h"
#include "optimize/held_out.h"
#include "quant/search.h"

namespace tamis::api {

/// One plan that was measured.
struct PlanRow {
  std::string name;  ///< "fp32", "int8", "int8, 2 layers in float"
  engine::Precision precision = engine::Precision::kFp32;
  std::vector<std::string> in_float;  ///< quantizers switched off on top of the marks' own state
  double table_us = 0;                ///< a token on one thread at 128 tokens, by the cost table
  std::optional<double> clock_us;     ///< the same by the clock; only if asked for
  Evaluation evaluation;
  BudgetLoss loss;
  bool met = false;
  bool on_front = false;  ///< no other plan is both faster and closer to fp32
};

/// What putting some layers back in float gives.
struct SensitivityRow {
  std::string name;   ///< a layer ("layer.3"), a kind ("attention.self") or a quantizer
  std::string group;  ///< "layer", "kind" or "linear"
  double gain = 0;    ///< divergence from fp32 that goes away
  double price_us = 0;
};

struct PlanChoice {
  graph::Graph graph;
  std::vector<PlanRow> rows;
  size_t chosen = 0;
  bool decides = true;  ///< the budget was to be kept, not only reported
  bool met = false;     ///< the chosen plan keeps the budget
  bool faster = false;  ///< ... and is faster than fp32
  Budget budget;
  int64_t held_out = 0;    ///< rows measured on
  std::string cost_table;  ///< the CPU that PlanRow::table_us was measured on
  std::vector<SensitivityRow> sensitivities;
  [[nodiscard]] const PlanRow& row() const { return rows[chosen]; }
};

struct ChooseOptions {
  Budget budget;
  bool search = true;    ///< false: the fully quantized plan whatever it loses
  bool measure = false;  ///< time every plan by the clock and decide by that
  /// What `calibrated` was made of: the model's marked_graph(), its tables stored as the bundle has
  /// them. Outlives the call.
  const graph::Graph* marked = nullptr;
  std::function<void(double fraction)> progress;  ///< may be empty
};

/// `model` is the checkpoint in fp32 that `held_out` compares with. Throws what
/// evaluate() throws, and as check_budget() and loss_of().
[[nodiscard]] PlanChoice choose_plan(const LoadedModel& model, const Calibrated& calibrated,
                                     HeldOut& held_out, const ChooseOptions& options);

}  // namespace tamis::api
