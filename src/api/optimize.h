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

#include "api/evaluate.h"
#include "api/loaded_model.h"
#include "formats/text_data.h"
#include "quant/quantize.h"
#include "runtime/timing.h"

namespace tamis::api {

struct OptimizeOptions {
  ModelOptions model;
  bool force = false;  ///< replace a bundle that is there
  /// Texts for int8; empty: the built-in ones (calibration_texts.h). Every second one is held out
  /// to measure the agreement.
  std::vector<TextRow> calibration;
  double seconds = 1.0;  ///< to time each shape, before and after
};

/// What was timed of one shape.
struct LatencyRow {
  int64_t batch = 0;
  int64_t seq = 0;
  runtime::TimingStats before;  ///< the checkpoint in fp32, as every command runs it
  runtime::TimingStats after;   ///< the bundle
};

struct OptimizeReport {
  Manifest manifest;
  std::vector<passes::PassReport> passes;
  std::vector<LatencyRow> latency;
  int64_t checkpoint_bytes = 0;
  int64_t bundle_bytes = 0;
  int64_t packed_bytes = 0;
  double largest_difference = 0;  ///< between checkpoint and bundle, over the self-test
  /// int8 only.
  std::optional<quant::QuantizeReport> quantization;
  std::string calibration_source;      ///< what the texts were
  std::optional<Agreement> agreement;  ///< with fp32, on the texts held out
};

/// Called with what is being done and how far the whole is, 0..1.
using OptimizeProgress = std::function<void(std::string_view stage, double fraction)>;

/// Writes the bundle, whole or not at all. Throws Error: kUnsupported for a bundle as input,
/// kInvalidArgument if `bundle` exists and `force` is false, and as loading and writing do.
OptimizeReport optimize(const ModelPath& path, const std::filesystem::path& bundle,
                        const OptimizeOptions& options, const OptimizeProgress& progress = {});

}  // namespace tamis::api
