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
#include "optimize/choose_tables.h"
#include "optimize/held_out.h"
#include "quant/search.h"

namespace tamis::api {

/// One plan that was measured.
struct PlanRow {
  std::string name;  ///< "fp32", "int8", "int8, 2 layers in float"
  engine::Precision precision = engine::Precision::kFp32;
  std::vector<std::string> in_float;  ///< quantizers switched off on top of the marks' own state
  bool to_nearest = false;            ///< weights rounded to nearest, nothing calibrated
  /// A token on one thread at 128 tokens, by the cost table. Where its integers are simulated it is
  /// an estimate: the table's time in float, less half of it for the share of integers.
  double table_us = 0;
  bool simulated = false;          ///< no kernels here for its integers
  std::optional<double> clock_us;  ///< the same by the clock; only if asked for
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
  /// Of a token, more than in integers: microseconds by the cost table; multiplications, those of
  /// integers counted half, where the choice is simulated.
  double price = 0;
};

struct PlanChoice {
  graph::Graph graph;
  std::vector<PlanRow> rows;
  size_t chosen = 0;
  bool decides = true;     ///< the budget was to be kept, not only reported
  bool simulated = false;  ///< integers have no kernels here: what is said of prices
  bool met = false;        ///< the chosen plan keeps the budget
  bool faster = false;     ///< ... and is faster than fp32
  bool gave_up = false;    ///< no plan was: the chosen one is the checkpoint in fp32, tables too
  Budget budget;
  int64_t held_out = 0;     ///< rows measured on
  std::string measured_on;  ///< what they are, which a certificate is for
  bool own_texts = false;   ///< they were given to be measured on
  std::string cost_table;   ///< the CPU that PlanRow::table_us was measured on
  std::vector<SensitivityRow> sensitivities;

  [[nodiscard]] const PlanRow& row() const { return rows[chosen]; }
  /// The 95 % bound of the chosen plan keeps the budget.
  [[nodiscard]] bool certified() const { return met && row().loss.upper_95 <= budget.limit; }
};

struct ChooseOptions {
  Budget budget;
  bool search = true;       ///< false: the fully quantized plan whatever it loses
  bool measure = false;     ///< time every plan by the clock and decide by that
  bool keep_tables = true;  ///< false: where no plan keeps the budget, the checkpoint's are back
  std::function<void(double fraction)> progress;  ///< may be empty
};

/// `model` is the checkpoint in fp32 that `held_out` compares with, `tables` what `calibrated` was
/// made of; their evaluation, where there is one, is that of the first plan. Throws what evaluate()
/// throws, and loss_of().
[[nodiscard]] PlanChoice choose_plan(const LoadedModel& model, const StoredTables& tables,
                                     const Calibrated& calibrated, HeldOut& held_out,
                                     const ChooseOptions& options);

}  // namespace tamis::api
