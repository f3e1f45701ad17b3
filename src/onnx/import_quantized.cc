// Quantized files: weights become the numbers they stand for, activations stay as they are.
#include <cmath>

#include "onnx/importer.h"

namespace tamis::onnx {

namespace {

ImportValue in_form(const Hidden& hidden, Form form) {
  ImportValue result = {nullptr, std::make_shared<Hidden>(hidden)};
  result.hidden->form = form;
  return result;
}

void check_scale(const Step& step, const Hidden& x, const Known& scale) {
  // A mask added to scores makes their range, and with it their scale, infinite.
  if (x.form == Form::kScores) return;
  const auto value = scale.scalar();
  if (!value) step.op.refuse("activations with more than one scale; one is expected");
  if (!(*value > 0) || !std::isfinite(*value)) step.op.refuse("a scale of ", *value);
}

// Operand i of an operator that has its scale and zero point behind it, as floats.
ImportValue float_operand(Importer& importer, const Step& step, size_t i) {
  const ImportValue& x = step.input(i);
  const Known& scale = step.known(i + 1);
  const Known* zero = step.has(i + 2) ? &step.known(i + 2) : nullptr;
  // Scales of a matrix that is read transposed go with its rows, others with its columns.
  const int64_t axis = step.op.integer("transB", 0) != 0 ? 0 : -1;
  if (x.has(Form::kIntegerRows)) {
    const auto table = dequantized(*x.hidden->known, scale, zero, axis, step.op.label());
    return make_embedding(importer, step, *table, *x.hidden->ids);
  }
  if (x.known == nullptr || !x.known->is_constant()) {
    importer.count_activation_scale();
    return x;
  }
  return {dequantized(*x.known, scale, zero, axis, step.op.label()), nullptr};
}

// The step of the float operator that a quantized one stands for.
Step operands(Importer& importer, const Step& step, std::initializer_list<size_t> places) {
  Step result = {step.op, {}};
  for (const size_t i : places) result.inputs.push_back(float_operand(importer, step, i));
  return result;
}

}  // namespace

std::vector<ImportValue> import_dynamic_quantize(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows)) step.op.refuse("a quantization of something that is no hidden state");
  importer.emit_rows(step, *x.hidden);
  return {x, in_form(*x.hidden, Form::kScale), in_form(*x.hidden, Form::kZeroPoint)};
}

std::vector<ImportValue> import_integer_matmul(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  const bool zero_point =
      !step.has(2) || (step.inputs[2].has(Form::kZeroPoint) && x.has(Form::kRows) &&
                       step.inputs[2].hidden->value == x.hidden->value);
  if (!x.has(Form::kRows) || !zero_point) {
    step.op.refuse("integers and their zero point do not come from one DynamicQuantizeLinear");
  }
  const Known& weight = step.known(1);
  if (!weight.is_constant() || weight.dims().size() != 2)
    step.op.refuse("a weight that is no constant matrix");
  ImportValue product = in_form(*x.hidden, Form::kIntegerProduct);
  product.hidden->known = step.inputs[1].known;
  if (step.has(3)) product.hidden->zero = step.input(3).known;
  return {product};
}

std::vector<ImportValue> import_quantize(Importer& importer, const Step& step) {
  check_scale(step, *step.input(0).hidden, step.known(1));
  importer.count_activation_scale();
  return {step.input(0)};
}

std::vector<ImportValue> import_dequantize(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kIntegerRows)) {
    check_scale(step, *x.hidden, step.known(1));
    return {x};
  }
  const Known* zero = step.has(2) ? &step.known(2) : nullptr;
  const auto table = dequantized(*x.hidden->known, step.known(1), zero, step.op.integer("axis", 1),
                                 step.op.label());
  return {make_embedding(importer, step, *table, *x.hidden->ids)};
}

std::vector<ImportValue> import_qlinear_matmul(Importer& importer, const Step& step) {
  return import_matmul(importer, operands(importer, step, {0, 3}));
}

std::vector<ImportValue> import_qlinear_add(Importer& importer, const Step& step) {
  return import_add(importer, operands(importer, step, {0, 3}));
}

std::vector<ImportValue> import_qlinear_mul(Importer& importer, const Step& step) {
  return import_mul(importer, operands(importer, step, {0, 3}));
}

std::vector<ImportValue> import_qlinear_softmax(Importer& importer, const Step& step) {
  return import_softmax(importer, operands(importer, step, {0}));
}

std::vector<ImportValue> import_qgemm(Importer& importer, const Step& step) {
  Step gemm = operands(importer, step, {0, 3});
  if (step.has(6)) {
    // An INT32 bias in steps of both scales' product.
    const Array scale = combine(step.known(1).at(0), step.known(4).at(0), ElementType::kFloat,
                                [](double a, double b) { return a * b; });
    const Array bias = combine(step.known(6).at(0), scale, ElementType::kFloat,
                               [](double c, double s) { return c * s; });
    gemm.inputs.push_back({std::make_shared<Known>(step.known(6).name(), bias), nullptr});
  }
  return import_gemm(importer, gemm);
}

}  // namespace tamis::onnx
