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

namespace tamis::graph {

/// How the marked operand becomes integers.
enum class QuantScheme : uint8_t {
  kPerTokenU8,   ///< activation: u8 per row with a zero point, range found at run time
  kPerTokenS8,   ///< activation: symmetric s8 per row (+128 in the kernel), range at run time
  kStaticS8,     ///< symmetric s8 per tensor, scale = amax / 127
  kStaticU8,     ///< asymmetric u8 per tensor from [low, high]
  kPerChannelS8  ///< weight: symmetric s8 per output row, scale = max |w| / 127
};

[[nodiscard]] std::string_view scheme_name(QuantScheme scheme);
[[nodiscard]] std::optional<QuantScheme> scheme_from_name(std::string_view name);

/// One mark on operand `operand` of a node. Operands that a fusion merged keep all their names and
/// switch together; the weights of a merged MatMul keep one mark each, in row order.
struct Quantizer {
  int32_t operand = 0;
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
