#include "base/activation.h"

namespace tamis {

namespace {

struct NameRow {
  std::string_view name;
  Activation activation;
};

// The first row of each activation is the name it prints as. Names as in transformers' ACT2FN;
// gelu_fast and gelu_new write the same tanh formula with other constants' rounding.
constexpr NameRow kRows[] = {
    {"none", Activation::kNone},
    {"gelu", Activation::kGelu},
    {"gelu_tanh", Activation::kGeluTanh},
    {"quick_gelu", Activation::kQuickGelu},
    {"relu", Activation::kRelu},
    {"relu2", Activation::kRelu2},
    {"silu", Activation::kSilu},
    {"mish", Activation::kMish},
    {"tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"relu6", Activation::kRelu6},
    {"leaky_relu", Activation::kLeakyRelu},
    {"gelu_10", Activation::kGelu10},
    {"laplace", Activation::kLaplace},
    {"hardswish", Activation::kHardSwish},
    {"sqrtsoftplus", Activation::kSqrtSoftplus},
    {"gelu_python", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_accurate", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_python_tanh", Activation::kGeluTanh},
    {"swish", Activation::kSilu},
    {"linear", Activation::kNone},
};

}  // namespace

std::string_view activation_name(Activation activation) {
  for (const NameRow& row : kRows) {
    if (row.activation == activation) return row.name;
  }
  return "none";
}

std::optional<Activation> activation_from_name(std::string_view name) {
  for (const NameRow& row : kRows) {
    if (row.name == name) return row.activation;
  }
  return std::nullopt;
}

std::string known_activations() {
  std::string names;
  for (const NameRow& row : kRows) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace tamis
