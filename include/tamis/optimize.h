// From a checkpoint to a bundle: fused, quantized within a budget, measured, self-tested.
//
//   tamis::OptimizeOptions options;
//   options.budget = "flips=0.5%";
//   const tamis::OptimizeReport report = tamis::optimize("my-model", "my-model.tamis", options);
#pragma once

#include <tamis/model.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

/// How a bundle is made. Empty and 0 stand for the default.
struct OptimizeOptions {
  /// `precision` "" or "auto": INT8 within the budget, else what keeps it; "int8": every linear
  /// layer, the budget only reported; "bf16"; "fp32".
  LoadOptions load;
  bool force = false;  ///< replace a bundle that is there
  /// What may be lost: "flips=0.5%", "kl=1e-4", "cosine=0.999", "spearman=0.999" or "accuracy=0.1"
  /// (points); default: by the task.
  std::string budget;
  bool certify = false;  ///< the 95 % bound must keep the budget, not the estimate
  /// Texts for INT8, of which every second one is held out to measure on: these, or a .txt, .tsv or
  /// .jsonl file, or neither for the built-in ones; both are kInvalidArgument.
  std::vector<TaskInput> calibration;
  std::string calibration_file;
  /// Texts to measure and to certify on, in place of those held out; sets `certify`. As
  /// `calibration`.
  std::vector<TaskInput> certify_on;
  std::string certify_on_file;
  /// How embedding tables are stored: "fp32" (as the checkpoint has them, the default of that
  /// precision and of checkpoints with trained ranges), "fp16" (else the default) or "int8" (the
  /// default where a budget is given and rows of 8 bits lose at most a tenth of it).
  std::string embeddings;
  std::string scheme;                ///< of activations: "native", "static", "ort" or "trt"
  std::vector<std::string> enable;   ///< quantizers to turn on, by glob
  std::vector<std::string> disable;  ///< and then off
  bool measure = false;              ///< decide by the clock, not by the cost table
  double seconds = 0;                ///< to time each shape before and after; default: 1
  /// Called on the calling thread with the stage and how far the whole is, 0..1; false ends the
  /// work with kCancelled, and no bundle is made. May be empty.
  std::function<bool(std::string_view stage, double fraction)> progress;
};

/// A plan that was measured on the held-out texts.
struct PlanReport {
  std::string name;       ///< "int8, 2 of 36 in float"
  std::string precision;  ///< "fp32", "bf16" or "int8"
  /// By the clock if that was asked for, else by the cost table; where the plan's integers are
  /// simulated an estimate from it.
  double us_per_token = 0;
  bool estimated = false;
  double loss = 0;  ///< in the budget's metric: a share, nats, 1 - cosine, 1 - correlation
  double loss_upper_95 = 0;
  bool within_budget = false;
  bool on_front = false;  ///< no other plan is both faster and closer to fp32
  std::vector<std::string> in_float;
};

/// One shape's median time.
struct ShapeReport {
  int64_t batch = 0;
  int64_t seq = 0;
  double before_ms = 0;  ///< the checkpoint in fp32
  double after_ms = 0;   ///< the bundle
};

struct QuantizerReport {
  std::string name;
  bool enabled = false;
  std::string scheme;
  std::optional<float> low;  ///< of static ranges
  std::optional<float> high;
  /// Noise of its rounding, as a share of its layer's output variance.
  std::optional<double> error;
};

struct OptimizeReport {
  std::string family;
  std::string task;
  std::string precision;   ///< of the bundle
  std::string embeddings;  ///< of its embedding tables: "fp32", "fp16" or "int8"
  /// False if no plan faster than fp32 keeps the budget; the bundle is fp32 then.
  bool succeeded = false;
  bool certified = false;   ///< the 95 % bound of the chosen plan keeps the budget
  std::string budget;       ///< "flips <= 0.5 %"; empty where nothing was quantized
  int64_t held_out = 0;     ///< rows measured on
  std::string measured_on;  ///< what they are: the certificate is for such texts
  size_t chosen = 0;        ///< in plans
  std::vector<PlanReport> plans;
  std::vector<QuantizerReport> quantizers;
  std::vector<ShapeReport> shapes;
  int64_t checkpoint_bytes = 0;
  int64_t bundle_bytes = 0;
  int64_t packed_bytes = 0;
  double seconds = 0;                  ///< that the whole took
  std::vector<std::string> unchecked;  ///< what was not checked, in sentences
  std::string text;                    ///< the lines that `tamis optimize` prints
  std::string json;                    ///< report.json
};

/// Makes the bundle, whole or not at all. Throws Error as Model::load does; kInvalidArgument for an
/// option, or if `bundle` exists and force is not set; kUnavailable if it cannot be written;
/// kCancelled.
OptimizeReport optimize(const std::string& model, const std::string& bundle,
                        const OptimizeOptions& options = {});

}  // namespace tamis
