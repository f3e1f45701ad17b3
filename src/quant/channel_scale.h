// Scale and shift of the quantized copy of a linear layer's input, column by column.
//
// Is: y = (x - shift) * multiplier such that the noise of rounding y and the weight together is
// least; int8-recipe's closed form and its Adam. Is not: applied here. May use: base.
//
// The noise, up to a factor common to all: A + N, A = step(y)^2 sum_j s_j^2 c_j of the activations,
// N = sum_i (max_j |w_ij| s_j / 127)^2 sum_j var_j / s_j^2 of the weights, s = 1 / multiplier,
// c_j = sum_i w_ij^2. The step is per token (max y - min y) / 255, its square's mean over tokens;
// in the static form max_j M_j / s_j / 127, M_j half the width of column j's range.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace tamis::quant {

/// A linear layer as the treatments see it. Borrows.
struct LinearProblem {
  int64_t rows = 0;                   ///< n, outputs
  int64_t columns = 0;                ///< k, inputs
  std::span<const float> weight;      ///< [n, k]
  std::span<const float> sample;      ///< [tokens, k] of the float model's input
  std::span<const double> mean;       ///< [k]
  std::span<const double> variance;   ///< [k]
  std::span<const int32_t> outliers;  ///< rising columns that take no part
  bool is_static = false;
  /// The static form's ranges, widened to what 5 standard deviations hold; [k] each.
  std::span<const float> low;
  std::span<const float> high;
};

/// One a column; 1 and 0 in outlier columns.
struct ChannelScale {
  std::vector<float> multiplier;
  std::vector<float> shift;
};

/// No scaling: the mean is taken away only if `centred`.
[[nodiscard]] ChannelScale identity_scale(const LinearProblem& problem);

/// s = (var / c)^(1/4), shift = mean (static: the middle of the range).
[[nodiscard]] ChannelScale closed_form_scale(const LinearProblem& problem);

/// Minimises log(A + N) by Adam from the closed form: 80 steps, rate 0.06 falling by a cosine, the
/// best step kept. In the static form the shift stays the middle of the range.
[[nodiscard]] ChannelScale optimized_scale(const LinearProblem& problem, ThreadPool& pool);

/// A + N of a choice.
[[nodiscard]] double noise_of(const LinearProblem& problem, const ChannelScale& scale);

/// Up to `count` columns to keep in float, rising: greedily the one whose absence makes A + 2 N
/// least, among those that are extreme in many tokens, hold the largest weights, or vary most.
[[nodiscard]] std::vector<int32_t> pick_outliers(LinearProblem problem, int64_t count);

}  // namespace tamis::quant
