// Calibration: every marked linear layer made integer, in the order of the layers.
//
// Is: the driver that feeds treat_linear() with the inputs of the float model and of the model
// whose earlier layers are quantized already, and gives static marks their ranges. Is not: the
// search under a budget (search.h), or text. May use: passes, engine.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "graph/graph.h"
#include "graph/trained_ranges.h"
#include "quant/treat_linear.h"

namespace tamis::quant {

/// Columns kept in float, by what the layer stands between: (2, 0, 2, 4) was measured best, about
/// 1.6 % of the instructions.
struct OutlierCounts {
  int64_t into_attention = 2;     ///< Q, K and V
  int64_t out_of_attention = 0;   ///< the output projection
  int64_t into_activation = 2;    ///< the first layer of the feed-forward part, and any other
  int64_t out_of_activation = 4;  ///< the second
};

struct QuantizeOptions {
  Treatments treatments;
  OutlierCounts outliers;
  /// The observer of static marks whose range no treatment chooses.
  std::string observer = "percentile";
  double percentile = 99.999;
  /// Tokens that are looked at, in whole sequences evenly spaced over what was given; memory is
  /// about 8 bytes x tokens x the widest layer.
  int64_t max_tokens = 8192;
  /// What TensorRT's layers have no place for is left out: columns in float, and a scale that no
  /// LayerNormalization or activation in front takes up. Ranges are clipped where that lowers the
  /// error.
  bool tensorrt = false;
  /// Weights keep the grid of these, and nothing else is treated; null: nothing was trained.
  const graph::TrainedRanges* trained = nullptr;
};

/// What became of one linear layer.
struct LinearReport {
  std::vector<std::string> names;         ///< of its input's quantizer
  std::vector<std::string> weight_names;  ///< of its weight's
  double plain_error = 0;  ///< mean squared error of an output, as a share of its variance, ...
  double error = 0;        ///< ... rounded to nearest, and as kept, ...
  /// ... with only the activations in integers, and only the weight; nothing if that was not
  /// measured.
  std::optional<double> activation_error;
  std::optional<double> weight_error;
  int64_t outliers = 0;
  bool scaled = false;
  bool gptq = false;
  bool bias_corrected = false;
};

/// A static quantizer outside the linear layers: mean squared error of its operand, as a share of
/// the operand's mean square.
struct OperandReport {
  std::vector<std::string> names;
  double error = 0;
};

struct QuantizeReport {
  int64_t sequences = 0;  ///< used of those given
  int64_t tokens = 0;
  std::vector<LinearReport> linears;
  std::vector<OperandReport> operands;
  std::vector<std::string>
      dead;  ///< static quantizers that saw nothing finite, or zeros alone; their range is a guess
};

struct Quantized {
  graph::Graph graph;
  QuantizeReport report;
};

/// Leaves of the report what is true of a graph in which some of the layers are in float again: the
/// quantizers that are on there.
void keep_written(QuantizeReport& report, const graph::Graph& graph);
/// ... and of one whose weights are only rounded to nearest.
void keep_rounding_alone(QuantizeReport& report);

/// Called with the share that is done, 0..1; false from it ends the work with Error{kCancelled}.
using QuantizeProgress = std::function<bool(double done)>;

/// Quantizes what the marks of `graph` (after passes) say. Throws Error{kInvalidArgument}: no
/// sequences to calibrate on, activations that are not finite.
[[nodiscard]] Quantized quantize(const graph::Graph& graph,
                                 std::span<const engine::PackedBatch> calibration,
                                 const QuantizeOptions& options, ThreadPool& pool,
                                 const QuantizeProgress& progress = {});

}  // namespace tamis::quant
