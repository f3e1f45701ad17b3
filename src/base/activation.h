// The activation functions of encoder transformers, by Hugging Face's names.
//
// Is: the closed list and its names, shared by formats, graph and kernels. Is not: the arithmetic
// (kernels/reference/activation.cc is its definition). May use: nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tamis {

enum class Activation : uint8_t {
  kNone,
  kGelu,       ///< x * Phi(x) with erf
  kGeluTanh,   ///< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  kQuickGelu,  ///< x * sigmoid(1.702 x)
  kRelu,
  kRelu2,  ///< relu(x)^2
  kSilu,   ///< x * sigmoid(x)
  kMish,   ///< x * tanh(softplus(x))
  kTanh,
  kSigmoid,
  kRelu6,      ///< min(relu(x), 6)
  kLeakyRelu,  ///< x, or 0.01 x below 0
  kGelu10,     ///< kGelu within [-10, 10]
  kLaplace,    ///< Phi((x - 0.707107) / 0.282095)
  kHardSwish,  ///< x relu6(x + 3) / 6
  kSqrtSoftplus,
};

/// The name printed in graphs and accepted back: "none", "gelu", "gelu_tanh", "quick_gelu", ...
[[nodiscard]] std::string_view activation_name(Activation activation);

/// The activation of a name in a config's `hidden_act` (transformers' ACT2FN) or of
/// activation_name(); nothing if unknown.
[[nodiscard]] std::optional<Activation> activation_from_name(std::string_view name);

/// The accepted names, comma-separated, for error messages.
[[nodiscard]] std::string known_activations();

}  // namespace tamis
