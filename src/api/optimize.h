// From a checkpoint to a bundle, with the time before and after.
//
// Is: the main job of the program. Is not: the command line around it. May use: all of api.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/choose_plan.h"
#include "api/loaded_model.h"
#include "engine/timing.h"
#include "formats/text_data.h"
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
  quant::QuantizeOptions quantize;
  /// How tables are stored; nothing: in half precision, in 8 bits where a budget is given and that
  /// alone loses at most a tenth of it on the held-out texts, and as they are in fp32.
  std::optional<quant::EmbeddingStorage> embeddings;
  bool measure = false;  ///< decide by the clock instead of the cost table
  double seconds = 1.0;  ///< to time each shape, before and after
};

/// What was timed of one shape.
struct LatencyRow {
  int64_t batch = 0;
  int64_t seq = 0;
  engine::TimingStats before;  ///< the checkpoint in fp32, as every command runs it
  engine::TimingStats after;   ///< the bundle
};

/// How the embedding tables are stored, and what that alone loses.
struct EmbeddingChoice {
  quant::EmbeddingStorage storage = quant::EmbeddingStorage::kAsStored;
  quant::EmbeddingReport report;
  /// The checkpoint in fp32 with these tables against itself, on the held-out texts; nothing where
  /// there are none.
  std::optional<Evaluation> evaluation;
};

struct OptimizeReport {
  Manifest manifest;
  std::vector<passes::PassReport> passes;
  std::vector<LatencyRow> latency;
  int64_t checkpoint_bytes = 0;
  int64_t checkpoint_packed_bytes = 0;
  int64_t bundle_bytes = 0;
  int64_t packed_bytes = 0;
  double largest_difference = 0;  ///< between checkpoint and bundle, over the self-test
  double self_test_tolerance = 0;
  double seconds = 0;  ///< the whole took
  // INT8 and auto only.
  std::optional<quant::QuantizeReport> quantization;
  quant::Scheme scheme = quant::Scheme::kNative;
  bool simulated = false;          ///< the plan runs in float, its integers simulated
  std::string calibration_source;  ///< what the texts were
  std::optional<PlanChoice> choice;
  std::vector<quant::QuantizerInfo> quantizers;  ///< of the bundle
  EmbeddingChoice embeddings;
  std::vector<std::string> unchecked;  ///< what was not, in sentences

  /// False if a budget was asked for, or auto, and no plan faster than fp32 keeps it.
  [[nodiscard]] bool succeeded() const;
};

/// Reads the value of --embeddings. Throws Error{kInvalidArgument} naming what it may be.
[[nodiscard]] quant::EmbeddingStorage embeddings_option(std::string_view name);

/// Called with what is being done and how far the whole is, 0..1.
using OptimizeProgress = std::function<void(std::string_view stage, double fraction)>;

/// Writes the bundle, whole or not at all. If no plan keeps the budget, the bundle is fp32 and
/// succeeded() false. Throws Error: kUnsupported for a bundle as input, kInvalidArgument if
/// `bundle` exists and `force` is false, and as loading, split_rows() and writing do.
OptimizeReport optimize(const ModelPath& path, const std::filesystem::path& bundle,
                        const OptimizeOptions& options, const OptimizeProgress& progress = {});

}  // namespace tamis::api
