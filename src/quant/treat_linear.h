// One linear layer made integer, with what lowers its error.
//
// Is: the recipe of docs/quantization.md for one MatMul: outlier columns, scale and shift, GPTQ,
// bias; each kept only where it lowers the measured error of the layer's output. Is not: the order
// of the layers (quantize.h). May use: kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "graph/quantizer.h"
#include "quant/gptq.h"
#include "quant/observers/observer.h"

namespace tamis::quant {

/// Which treatments may be used.
struct Treatments {
  bool outlier_columns = true;
  bool scale_and_shift = true;
  bool optimize_scale = true;  ///< by Adam; otherwise the closed form
  bool gptq = true;
  bool bias_correction = true;
};

/// A linear layer and the values around it. Borrows; activations are [tokens, columns] row-major.
struct LinearInput {
  int64_t rows = 0;
  int64_t columns = 0;
  std::span<const float> weight;       ///< [rows, columns]
  std::span<const float> bias;         ///< [rows], or empty
  std::span<const float> float_input;  ///< of the float model
  std::span<const float> input;        ///< of the model whose earlier layers are quantized
  /// What the bias should make up for besides: mean of a residual, float minus quantized; or empty.
  std::span<const double> residual_difference;
  graph::QuantScheme scheme = graph::QuantScheme::kPerTokenU8;
  int64_t outlier_count = 0;
  bool may_scale = true;       ///< what is in front can take up a scale and a shift
  bool clips = false;          ///< a static range may be narrower than its columns' ranges
  std::optional<Range> range;  ///< of the static schemes where scale and shift are off
  /// [rows]: the weight's grid, where it was trained; empty: that of its rows' maxima. Goes without
  /// treatments, which choose another.
  std::span<const float> row_amax;
};

/// Everything a quantized MatMul holds. Empty vectors: not there.
struct TreatedLinear {
  IntegerWeight weight;
  std::vector<float> bias;
  std::vector<float> multiplier;
  std::vector<float> offset;
  std::vector<int32_t> outlier_columns;
  std::vector<float> outlier_weight;  ///< [rows, outliers]
  std::optional<Range> range;         ///< of y, for static schemes
  bool used_gptq = false;
  bool used_bias_correction = false;
  double plain_error = 0;  ///< mean squared error of an output, rounded to nearest and nothing else
  double error = 0;        ///< the same with what was kept
  double activation_error = 0;  ///< with what was kept for the input, and the float weight
  double weight_error = 0;      ///< the other way about
  double energy = 0;            ///< mean variance of an output of the float layer
};

/// Throws Error{kInvalidArgument} for inputs that are not finite.
[[nodiscard]] TreatedLinear treat_linear(const LinearInput& input, const Treatments& treatments,
                                         ThreadPool& pool);

}  // namespace tamis::quant
