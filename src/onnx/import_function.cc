// Functions of each element: activations and the steps that they are written in.
#include <algorithm>
#include <cmath>

#include "onnx/importer.h"

namespace tamis::onnx {

using graph::OpKind;
using graph::ValueId;

std::vector<ImportValue> import_function(Importer&, const Step& step) {
  struct Row {
    std::string_view op;
    double (*f)(double);
  };
  constexpr Row kRows[] = {
      {"Erf", [](double x) { return std::erf(x); }},
      {"Tanh", [](double x) { return std::tanh(x); }},
      {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"Relu", [](double x) { return x > 0 ? x : 0; }},
      {"Exp", [](double x) { return std::exp(x); }},
      {"Neg", [](double x) { return -x; }},
      {"Softplus", [](double x) { return std::log1p(std::exp(x)); }},
      {"HardSwish", [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
  };
  const ImportValue& x = step.input(0);
  if (step.op.type() == "Neg" && x.has(Form::kHalf)) {
    ImportValue half = in_form(*x.hidden, Form::kHalf);
    half.hidden->negated = !half.hidden->negated;
    return {half};
  }
  for (const Row& row : kRows) {
    if (row.op == step.op.type() && x.has(Form::kRows)) return {with_function(*x.hidden, row.f)};
  }
  refuse_pair(step);
}

std::vector<ImportValue> import_sloped_function(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows)) refuse_pair(step);
  const bool leaky = step.op.type() == "LeakyRelu";
  const double slope = step.op.number("alpha", leaky ? 0.01 : 0.2);
  if (leaky) {
    return {with_function(*x.hidden, [slope](double y) { return y < 0 ? slope * y : y; })};
  }
  const double middle = step.op.number("beta", 0.5);
  return {with_function(
      *x.hidden, [slope, middle](double y) { return std::clamp(slope * y + middle, 0.0, 1.0); })};
}

std::vector<ImportValue> import_bound(Importer&, const Step& step) {
  const bool first = step.input(0).has(Form::kRows);
  const ImportValue& x = step.input(first ? 0 : 1);
  const ImportValue& bound = step.input(first ? 1 : 0);
  const auto number = bound.known == nullptr ? std::nullopt : bound.known->scalar();
  if (step.inputs.size() != 2 || !x.has(Form::kRows) || !number) refuse_pair(step);
  const bool least = step.op.type() == "Max";
  return {with_function(*x.hidden, [least, limit = *number](double y) {
    return least ? std::max(y, limit) : std::min(y, limit);
  })};
}

std::vector<ImportValue> import_gelu(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows)) refuse_pair(step);
  const std::string approximate = step.op.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    step.op.refuse("approximate is \"", approximate, "\"; accepted are none and tanh");
  }
  const Activation activation = approximate == "tanh" ? Activation::kGeluTanh : Activation::kGelu;
  const ValueId value =
      importer.emit(step, OpKind::kActivation, {importer.emit_rows(step, *x.hidden)},
                    graph::ActivationAttributes{activation});
  return {importer.rows(value, x.hidden->layout)};
}

std::vector<ImportValue> import_bias_gelu(Importer& importer, const Step& step) {
  ImportValue x = step.input(0);
  if (!x.has(Form::kRows)) refuse_pair(step);
  if (step.has(1)) x = importer.add_bias(step, *x.hidden, step.known(1));
  const Activation activation =
      step.op.type() == "FastGelu" ? Activation::kGeluTanh : Activation::kGelu;
  const ValueId value =
      importer.emit(step, OpKind::kActivation, {importer.emit_rows(step, *x.hidden)},
                    graph::ActivationAttributes{activation});
  return {importer.rows(value, x.hidden->layout)};
}

std::vector<ImportValue> import_quick_gelu(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows)) refuse_pair(step);
  const double alpha = step.op.number("alpha", 1.702);
  return {with_function(*x.hidden, [alpha](double v) { return v / (1 + std::exp(-alpha * v)); })};
}

std::vector<ImportValue> import_clip(Importer&, const Step& step) {
  // What half precision holds, which T5's rows are kept in.
  const auto limit = [&step](size_t i) {
    return step.has(i) ? step.known(i).scalar().value_or(0) : 0;
  };
  if (step.input(0).ends_as_rows() && limit(1) <= kMaskLimit && limit(2) >= -kMaskLimit) {
    return {step.input(0)};
  }
  if (step.input(0).has(Form::kRows)) {
    const double least = step.has(1) ? step.known(1).scalar().value_or(NAN) : -INFINITY;
    const double most = step.has(2) ? step.known(2).scalar().value_or(NAN) : INFINITY;
    if (!(least <= most)) step.op.refuse("hidden states between bounds that are no two numbers");
    return {with_function(*step.input(0).hidden,
                          [least, most](double y) { return std::clamp(y, least, most); })};
  }
  // A length is kept from 0 by something smaller than any that a row has.
  constexpr double kTiny = 1e-6;
  const ImportValue& x = step.input(0);
  const double low = step.has(1) ? step.known(1).scalar().value_or(1) : 0;
  if (!x.has(Form::kLength) || low > kTiny || step.has(2)) {
    step.op.refuse("hidden states that are clipped");
  }
  return {x};
}

}  // namespace tamis::onnx
