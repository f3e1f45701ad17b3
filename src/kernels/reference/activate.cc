#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The normal distribution's function.
double phi(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

double gelu(double x) { return x * phi(x); }

double relu6(double x) { return std::clamp(x, 0.0, 6.0); }  // NaN stays NaN

double gelu_tanh(double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

}  // namespace

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
      return gelu(x);
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kQuickGelu:
      return x * sigmoid(1.702 * x);
    case Activation::kRelu:
      return x <= 0 ? 0 : x;  // NaN stays NaN
    case Activation::kRelu2:
      return x <= 0 ? 0 : x * x;
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kMish:
      return x * std::tanh(softplus(x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kRelu6:
      return relu6(x);
    case Activation::kLeakyRelu:
      return x < 0 ? 0.01 * x : x;
    case Activation::kGelu10:
      return std::clamp(gelu(x), -10.0, 10.0);  // NaN stays NaN
    case Activation::kLaplace:
      return phi((x - 0.707107) / 0.282095);
    case Activation::kHardSwish:
      return x * relu6(x + 3) / 6;
    case Activation::kSqrtSoftplus:
      return std::sqrt(softplus(x));
  }
  return x;
}

void activate(Activation activation, std::span<const float> x, std::span<float> y) {
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<float>(activate(activation, double{x[i]}));
  }
}

}  // namespace tamis::kernels::reference
