// The weights of a mixture of experts made integer, each expert by the rows that it computes.
//
// Is: treat_linear() for each expert, without what an ExpertMatMul has no operand for (a bias,
// scale and shift, outlier columns). Is not: the order of the layers (quantize.h). May use:
// kernels.
#pragma once

#include "quant/treat_linear.h"

namespace tamis::quant {

/// An ExpertMatMul and the values around it. Borrows; row-major.
struct ExpertsInput {
  int64_t experts = 0;
  int64_t top_k = 0;
  int64_t rows = 0;  ///< of an expert's weight
  int64_t columns = 0;
  bool x_of_each = false;               ///< activations are [tokens, top_k, columns]
  std::span<const float> weight;        ///< [experts * rows, columns]
  std::span<const float> float_routes;  ///< [tokens, 2 * top_k]: graph::RouteTokensAttributes
  std::span<const float> routes;
  std::span<const float> float_input;  ///< [tokens, columns], of the float model
  std::span<const float> input;        ///< of the model whose earlier layers are quantized
  graph::QuantScheme scheme = graph::QuantScheme::kPerTokenU8;
  std::optional<Range> range;       ///< of the static schemes
  std::span<const float> row_amax;  ///< [experts * rows]: a trained grid, or empty
};

/// Weight, range and errors, those of the experts in the shares of their rows. An expert that
/// computes nothing is rounded to nearest. Throws as treat_linear().
[[nodiscard]] TreatedLinear treat_experts(const ExpertsInput& input, const Treatments& treatments,
                                          ThreadPool& pool);

}  // namespace tamis::quant
