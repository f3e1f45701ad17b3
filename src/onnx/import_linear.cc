// Linear layers, and the products of attention, which are MatMul too.
#include "onnx/importer.h"

namespace tamis::onnx {

namespace {

// A product with a factor in front, which only attention has.
std::vector<ImportValue> product(Importer& importer, const Step& step, bool keys_turned,
                                 double factor) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  if (a.hidden == nullptr) step.op.refuse("a constant times hidden states");
  if (b.known != nullptr) {
    if (factor != 1) step.op.refuse("a factor of ", factor, " on a linear layer");
    return {importer.linear(step, *a.hidden, *b.known, !keys_turned)};
  }
  if (a.has(Form::kProbabilities)) {
    if (factor != 1 || keys_turned) step.op.refuse("probabilities times transposed values");
    return {make_context(importer, step, *a.hidden, *b.hidden)};
  }
  return {make_scores(importer, step, *a.hidden, *b.hidden, keys_turned, factor)};
}

void check_gemm(const Step& step) {
  if (step.op.number("alpha", 1) != 1 || step.op.number("beta", 1) != 1 ||
      step.op.integer("transA", 0) != 0) {
    step.op.refuse("alpha, beta or transA; 1, 1 and 0 are accepted");
  }
}

}  // namespace

std::vector<ImportValue> import_matmul(Importer& importer, const Step& step) {
  return product(importer, step, false, 1);
}

std::vector<ImportValue> import_fused_matmul(Importer& importer, const Step& step) {
  for (const std::string_view attribute : {"transA", "transBatchA", "transBatchB"}) {
    if (step.op.integer(attribute, 0) != 0) step.op.refuse(attribute, " is set");
  }
  return product(importer, step, step.op.integer("transB", 0) != 0, step.op.number("alpha", 1));
}

std::vector<ImportValue> import_gemm(Importer& importer, const Step& step) {
  check_gemm(step);
  const ImportValue& x = step.input(0);
  if (x.hidden == nullptr) step.op.refuse("a constant times hidden states");
  ImportValue y =
      importer.linear(step, *x.hidden, step.known(1), step.op.integer("transB", 0) == 0);
  if (step.has(2)) y = importer.add_bias(step, *y.hidden, step.known(2));
  return {y};
}

std::vector<ImportValue> import_fused_gemm(Importer& importer, const Step& step) {
  const ImportValue y = import_gemm(importer, step)[0];
  const std::string name = step.op.text("activation", "");
  struct Row {
    std::string_view name;
    Activation activation;
  };
  constexpr Row kRows[] = {
      {"Relu", Activation::kRelu}, {"Tanh", Activation::kTanh}, {"Sigmoid", Activation::kSigmoid}};
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    const graph::ValueId value =
        importer.emit(step, graph::OpKind::kActivation, {importer.emit_rows(step, *y.hidden)},
                      graph::ActivationAttributes{row.activation});
    return {importer.rows(value, y.hidden->layout)};
  }
  step.op.refuse("activation \"", name, "\"; accepted are Relu, Tanh and Sigmoid");
}

}  // namespace tamis::onnx
