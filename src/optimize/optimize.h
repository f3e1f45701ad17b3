// From a checkpoint to a bundle, with the time before and after.
//
// Is: the main job of the program. Is not: the command line around it. May use: model, quant.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/text_data.h"
#include "model/loaded_model.h"
#include "optimize/choose_plan.h"
#include "optimize/choose_tables.h"
#include "optimize/optimize_report.h"
#include "quant/embedding_rows.h"
#include "quant/quantize.h"

namespace tamis::api {

struct OptimizeOptions {
  /// Its precision: nothing for auto (INT8 within the budget, un-quantizing or falling back as
  /// needed), "int8" (every linear layer, the budget only reported), "bf16" or "fp32".
  ModelOptions model;
  bool force = false;  ///< replace a bundle that is there
  /// Texts for INT8 and their file's name; empty and no name: the built-in ones. Every second one
  /// is held out to measure the agreement.
  std::vector<TextRow> calibration;
  std::string calibration_file;
  std::optional<Budget> budget;  ///< nothing: the task's default
  bool certify = false;          ///< Budget::certify, of the default budget too
  /// Texts to measure on and their file's name, in place of those held out; sets `certify`.
  std::vector<TextRow> certify_on;
  std::string certify_on_file;
  quant::QuantizeOptions quantize;
  /// How tables are stored; nothing: in half precision, in 8 bits where a budget is given and that
  /// alone loses at most a tenth of it on the held-out texts, and as they are in fp32.
  std::optional<quant::EmbeddingStorage> embeddings;
  bool measure = false;  ///< decide by the clock instead of the cost table
  double seconds = 1.0;  ///< to time each shape, before and after
};

/// Reads --scheme: "native", "static", "ort", or "trt", which is static with quantize.tensorrt and
/// model.whole_attention. Throws Error{kInvalidArgument} listing them.
void set_scheme(OptimizeOptions& options, std::string_view name);
/// Reads the value of --embeddings. Throws Error{kInvalidArgument} naming what it may be.
[[nodiscard]] quant::EmbeddingStorage embeddings_option(std::string_view name);

/// Called with what is being done and how far the whole is, 0..1.
using OptimizeProgress = std::function<void(std::string_view stage, double fraction)>;

/// What optimize() makes a bundle of.
struct PlannedModel {
  std::shared_ptr<const LoadedModel> checkpoint;  ///< in fp32
  graph::Graph graph;
  OptimizeReport report;  ///< without times, sizes and the self-test
};

/// Loads, quantizes and chooses, but writes nothing. Throws as optimize() does.
[[nodiscard]] PlannedModel plan_model(const ModelPath& path, const OptimizeOptions& options,
                                      const OptimizeProgress& progress = {});

/// Writes the bundle, whole or not at all. If no plan keeps the budget, the bundle is fp32 and
/// succeeded() false. Throws Error: kUnsupported for a bundle as input, kInvalidArgument if
/// `bundle` exists and `force` is false, and as loading, split_rows() and writing do.
OptimizeReport optimize(const ModelPath& path, const std::filesystem::path& bundle,
                        const OptimizeOptions& options, const OptimizeProgress& progress = {});

}  // namespace tamis::api
