// What optimize() did, as data.
//
// Is: what the reports are written from. Is not: text (report). May use: choose_plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/timing.h"
#include "model/loaded_model.h"
#include "optimize/choose_plan.h"
#include "optimize/choose_tables.h"
#include "quant/quantize.h"

namespace tamis::api {

/// What was timed of one shape.
struct LatencyRow {
  int64_t batch = 0;
  int64_t seq = 0;
  engine::TimingStats before;  ///< the checkpoint in fp32, as every command runs it
  engine::TimingStats after;   ///< the bundle
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
  std::optional<quant::QuantizeReport> quantization;  ///< of the layers that are in integers
  std::string scheme;                                 ///< as set_scheme() reads it
  double float_work = 1;           ///< share of the products' multiplications that stay in float
  bool simulated = false;          ///< the plan runs in float, its integers simulated
  std::string calibration_source;  ///< what the texts were, those held out among them
  int64_t calibrated_on = 0;       ///< of these texts
  std::optional<PlanChoice> choice;
  std::vector<quant::QuantizerInfo> quantizers;  ///< of the bundle
  EmbeddingChoice embeddings;
  std::vector<std::string> unchecked;  ///< what was not, in sentences

  /// False if a budget was asked for, or auto, and no plan faster than fp32 keeps it.
  [[nodiscard]] bool succeeded() const;
};

}  // namespace tamis::api
