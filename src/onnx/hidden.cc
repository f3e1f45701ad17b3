#include "onnx/hidden.h"

#include <algorithm>
#include <cmath>

namespace tamis::onnx {

namespace {

struct ActivationRow {
  Activation activation;
  double (*f)(double);
};
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return x * 0.5 * (1 + std::erf(x * M_SQRT1_2)); }
double relu6(double x) { return std::clamp(x, 0.0, 6.0); }
constexpr ActivationRow kActivations[] = {
    {Activation::kGelu, gelu},
    {Activation::kGeluTanh,
     [](double x) {
       return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
     }},
    {Activation::kQuickGelu, [](double x) { return x * sigmoid(1.702 * x); }},
    {Activation::kRelu, [](double x) { return std::max(x, 0.0); }},
    {Activation::kRelu2, [](double x) { return std::max(x, 0.0) * std::max(x, 0.0); }},
    {Activation::kSilu, [](double x) { return x * sigmoid(x); }},
    {Activation::kMish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
    {Activation::kTanh, [](double x) { return std::tanh(x); }},
    {Activation::kSigmoid, sigmoid},
    {Activation::kRelu6, relu6},
    {Activation::kLeakyRelu, [](double x) { return x < 0 ? 0.01 * x : x; }},
    {Activation::kGelu10, [](double x) { return std::clamp(gelu(x), -10.0, 10.0); }},
    {Activation::kLaplace,
     [](double x) { return 0.5 * (1 + std::erf((x - 0.707107) / (0.282095 * M_SQRT2))); }},
    {Activation::kHardSwish, [](double x) { return x * relu6(x + 3) / 6; }},
    {Activation::kSqrtSoftplus, [](double x) { return std::sqrt(std::log1p(std::exp(x))); }},
};

// Farthest that two functions are from each other on [-16, 16] and at places far from it, where
// bounds show, in parts of 1 + |value|.
double distance(const Function& a, double (*b)(double)) {
  double most = 0;
  const auto look = [&](double x) {
    const double wanted = b(x);
    const double off = std::abs(a(x) - wanted) / (1 + std::abs(wanted));
    most = std::isnan(off) ? INFINITY : std::max(most, off);
  };
  for (int i = -512; i <= 512; ++i) look(i / 32.0);
  for (const double x : {24.0, 60.0, 300.0}) {
    look(x);
    look(-x);
  }
  return most;
}

}  // namespace

ImportValue in_form(const Hidden& hidden, Form form) {
  ImportValue result = {nullptr, std::make_shared<Hidden>(hidden)};
  result.hidden->form = form;
  return result;
}

bool has_own_layout(Form form) {
  switch (form) {
    case Form::kRows:
    case Form::kScores:
    case Form::kProbabilities:
    case Form::kDistanceBias:
    case Form::kTable:
    case Form::kPositionProduct:
    case Form::kPositionBias:
    case Form::kDistanceRows:
    case Form::kNotANumber:
    case Form::kSwapped:
    case Form::kTimesCosine:
    case Form::kTimesSine:
    case Form::kWeighted:
    case Form::kCentered:
    case Form::kCenteredSquare:
    case Form::kNormal:
    case Form::kTokenSum:
    case Form::kLength:
    case Form::kUnitLength:
    case Form::kOfToken:
      return true;
    case Form::kHalf:
    case Form::kSampled:
    case Form::kMean:
    case Form::kMeanSquare:
    case Form::kRootMeanSquare:
    case Form::kInverseRoot:
    case Form::kVariance:
    case Form::kDeviation:
    case Form::kScale:
    case Form::kZeroPoint:
    case Form::kIntegerProduct:
    case Form::kIntegerRows:
      return false;
  }
  return false;
}

bool ImportValue::ends_as_rows() const {
  return has(Form::kRows) || has(Form::kNormal) || has(Form::kUnitLength) || has(Form::kWeighted);
}

bool same_columns(const Hidden& a, const Hidden& b) {
  return a.value == b.value && a.first_column == b.first_column && a.columns == b.columns &&
         a.layout == b.layout;
}

std::optional<double> linear_factor(const Function& function) {
  if (!function) return 1.0;
  const double factor = function(1.0);
  for (const double x :
       {-6e4, -500.0, -40.0, -7.0, -1.0, -0.125, 0.0, 0.5, 3.0, 40.0, 500.0, 6e4}) {
    // Some rounding in double, which grows with x.
    if (!(std::abs(function(x) - factor * x) <=
          1e-12 * std::abs(factor) * std::max(1.0, std::abs(x) / 16)))
      return std::nullopt;
  }
  return factor;
}

std::optional<Activation> activation_of(const Function& function, double tolerance) {
  const ActivationRow* nearest = nullptr;
  double least = tolerance;
  for (const ActivationRow& row : kActivations) {
    const double off = distance(function, row.f);
    if (!(off <= least)) continue;
    least = off;
    nearest = &row;
  }
  return nearest == nullptr ? std::nullopt : std::optional(nearest->activation);
}

}  // namespace tamis::onnx
