// Marks: where the model may be quantized, and how.
//
// Is: a property of an operand, carried along by passes. Is not: a node; nothing here computes.
// Names and numbering follow transformer-deploy so that its enable and disable lists work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op.h"
#include "tensor/quant_scheme.h"

namespace tamis::graph {

using tamis::QuantScheme;

[[nodiscard]] std::string_view scheme_name(QuantScheme scheme);
[[nodiscard]] std::optional<QuantScheme> scheme_from_name(std::string_view name);

/// One mark on an operand of a node; of an Attention also on its probabilities. Operands that a
/// fusion merged keep all their names and switch together; the weights of a merged MatMul keep one
/// mark each, in row order.
struct Quantizer {
  Operand operand = Operand::kX;
  QuantScheme scheme = QuantScheme::kPerTokenU8;
  bool enabled = false;
  /// The calibrated range; for symmetric schemes low = -high. Absent until calibrated, and for
  /// schemes that find it at run time.
  std::optional<float> low;
  std::optional<float> high;
  /// Hugging Face module path + operator + number, one an original quantizer.
  std::vector<std::string> names;

  friend bool operator==(const Quantizer&, const Quantizer&) = default;
};

}  // namespace tamis::graph
