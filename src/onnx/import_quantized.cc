// Quantized files: weights become the numbers they stand for, activations stay as they are.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "onnx/importer.h"

namespace tamis::onnx {

namespace {

void check_scale(const Step& step, const Hidden& x, const Known& scale) {
  // A mask added to scores makes their range, and with it their scale, infinite.
  if (x.form == Form::kScores) return;
  const auto value = scale.scalar();
  if (!value) step.op.refuse("activations with more than one scale; one is expected");
  if (!(*value > 0) || !std::isfinite(*value)) step.op.refuse("a scale of ", *value);
}

// One number, or one that is infinite because of a mask, however it is spelled; null: 0.
bool same_number(const Known* a, const Known* b) {
  if (a == b) return true;
  const std::optional<double> left = a == nullptr ? 0 : a->scalar();
  const std::optional<double> right = b == nullptr ? 0 : b->scalar();
  return left && left == right;
}

const Known* optional_known(const Step& step, size_t i) {
  return step.has(i) ? &step.known(i) : nullptr;
}

// Of the operator's integers, whose type is the zero point's. Without one they are UINT8, unless
// the operator says otherwise. Nothing: of another type.
std::optional<IntegerRange> integers_of(const Step& step, const Known* zero) {
  const auto said = static_cast<ElementType>(step.op.integer("output_dtype", 0));
  const ElementType unsaid = said == ElementType{} ? ElementType::kUint8 : said;
  return integer_range(zero != nullptr ? zero->type() : unsaid);
}

// Hidden states as the integers that inputs `scale` and the one behind it say.
ImportValue as_integers(const Step& step, ImportValue value, size_t scale) {
  (void)step.known(scale);
  value.integers = QuantizedBy{step.inputs[scale].known, nullptr, nullptr};
  if (step.has(scale + 1)) {
    (void)step.known(scale + 1);
    value.integers->zero = step.inputs[scale + 1].known;
  }
  // Where the least of them stands for 0, ONNX Runtime's quantizer has taken out a Relu, which
  // saturation stands in for; or a Clip, if the greatest stands for its 6.
  const Known* const zero = value.integers->zero.get();
  const auto range = integers_of(step, zero);
  const std::optional<double> place = zero != nullptr ? zero->scalar() : 0;
  if (!value.has(Form::kRows) || !range || place != range->least) return value;
  const double top = step.known(scale).scalar().value_or(0) * (range->most - range->least);
  const double most = std::abs(top - 6) < 1e-3 ? 6 : INFINITY;
  ImportValue bent =
      with_function(*value.hidden, [most](double x) { return std::clamp(x, 0.0, most); });
  bent.integers = value.integers;
  return bent;
}

// The rows of an integer table, whose floats are `table`.
ImportValue float_rows(Importer& importer, const Step& step, const Hidden& integers,
                       const Known& table) {
  return importer.after_moves(integers, make_embedding(importer, step, table, *integers.ids));
}

// Operand i of an operator that has its scale and zero point behind it, as floats.
ImportValue float_operand(Importer& importer, const Step& step, size_t i) {
  const ImportValue& x = step.input(i);
  // Scales of a matrix that is read transposed go with its rows, others with its columns.
  const ScaleAxis axis = {step.op.integer("transB", 0) != 0 ? 0 : -1};
  if (x.has(Form::kIntegerRows)) {
    const auto table = importer.dequantized(step, *x.hidden->known, step.known(i + 1),
                                            optional_known(step, i + 2), axis);
    return float_rows(importer, step, *x.hidden, *table);
  }
  if (x.known == nullptr) {
    check_quantized_by(step, x, i + 1, i + 2);
    if (x.integers->at_run_time == nullptr) importer.count_activation_scale();
    return {nullptr, x.hidden};
  }
  if (!x.known->is_constant()) {
    // QuantizeLinear leaves what follows from ids and sizes as the floats it is.
    if (!is_float(x.known->type())) step.op.refuse("integers that no operator before it has made");
    importer.count_activation_scale();
    return x;
  }
  return {
      importer.dequantized(step, *x.known, step.known(i + 1), optional_known(step, i + 2), axis),
      nullptr};
}

// The step of the float operator that a quantized one stands for.
Step operands(Importer& importer, const Step& step, std::vector<size_t> places) {
  Step result = {step.op, {}, std::move(places)};
  for (const size_t i : result.places) result.inputs.push_back(float_operand(importer, step, i));
  return result;
}

// What an operator makes of inputs of which none depends on hidden states; else absent.
ImportValue known_result(Importer& importer, const Step& step) {
  for (const ImportValue& input : step.inputs) {
    if (input.known == nullptr) return {};
  }
  return importer.evaluate_known(step)[0];
}

// The step's node as one of a float operator.
NodeProto renamed(const Step& step, std::string_view type) {
  NodeProto node = step.op.node();
  node.op_type = type;
  node.domain.clear();
  return node;
}

// The quantized operator as `handler` of the float one `type` takes it; inputs `scale` and the one
// behind it say what integers become of it.
std::vector<ImportValue> import_as(Importer& importer, const Step& step, std::string_view type,
                                   Handler handler, const std::vector<size_t>& places,
                                   size_t scale) {
  const NodeProto node = renamed(step, type);
  Step floats = {Operation(node, step.op.index(), step.op.opset(), importer.source()), {}, places};
  for (const size_t i : places) floats.inputs.push_back(float_operand(importer, step, i));
  const ImportValue known = known_result(importer, floats);
  if (!known.absent()) return {known};
  return {as_integers(step, handler(importer, floats)[0], scale)};
}

// The INT32 bias of QGemm, in steps of both scales' product, as floats.
ImportValue float_bias(Importer& importer, const Step& step) {
  const Known& integers = step.known(6);
  const Known& x_scale = step.known(1);
  const Known& w_scale = step.known(4);
  for (const Known* part : {&integers, &x_scale, &w_scale}) {
    if (part->is_constant()) continue;
    step.op.refuse("\"", part->name(), "\" is no constant");
  }
  return {importer.integer_bias(integers, x_scale, w_scale), nullptr};
}

}  // namespace

ScaleAxis scale_axis(const Operation& op) {
  return {op.integer("axis", 1), op.integer("block_size", 0)};
}

void check_quantized_by(const Step& step, const ImportValue& x, size_t scale, size_t zero) {
  if (!x.integers || x.hidden == nullptr) {
    step.op.refuse("hidden states that no operator before it has quantized");
  }
  const auto of_x = [&](size_t i, Form form) {
    return step.has(i) && step.inputs[i].has(form) &&
           step.inputs[i].hidden->quantized == x.integers->at_run_time;
  };
  bool same = false;
  if (x.integers->at_run_time != nullptr) {
    same = of_x(scale, Form::kScale) && of_x(zero, Form::kZeroPoint) &&
           step.inputs[scale].hidden->known == nullptr;
  } else {
    check_scale(step, *x.hidden, step.known(scale));
    same = same_number(x.integers->scale.get(), &step.known(scale)) &&
           same_number(x.integers->zero.get(), optional_known(step, zero));
  }
  if (!same) step.op.refuse("another scale or zero point than hidden states were quantized by");
}

std::vector<ImportValue> import_dynamic_quantize(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  const bool known = x.known != nullptr && is_float(x.known->type());
  const bool heads = x.has(Form::kRows) && !x.hidden->layout.is_rows(x.hidden->columns);
  if (x.ends_as_rows() && !heads) {
    importer.emit_rows(step, *x.hidden);
  } else if (!known && !heads && !x.has(Form::kTable) && !x.has(Form::kProbabilities)) {
    step.op.refuse("a quantization of something that is no hidden state");
  }
  const auto quantized = std::make_shared<const ImportValue>(x);
  const auto of_x = [&](Form form) {
    ImportValue result = {nullptr, std::make_shared<Hidden>()};
    result.hidden->form = form;
    result.hidden->quantized = quantized;
    return result;
  };
  return {{x.known, x.hidden, QuantizedBy{nullptr, nullptr, quantized}},
          of_x(Form::kScale),
          of_x(Form::kZeroPoint)};
}

namespace {

// What DynamicQuantizeLinear made operand i of, moved or not, whose zero point stands two behind
// it.
std::shared_ptr<const ImportValue> dynamic_operand(const Step& step, size_t i) {
  const ImportValue& x = step.input(i);
  const auto quantized = x.integers ? x.integers->at_run_time : nullptr;
  const bool dynamic = quantized != nullptr && step.has(i + 2) &&
                       step.inputs[i + 2].has(Form::kZeroPoint) &&
                       step.inputs[i + 2].hidden->quantized == quantized;
  if (!dynamic) {
    step.op.refuse("integers and their zero point do not come from one DynamicQuantizeLinear");
  }
  return quantized;
}

ImportValue product_of_integers(const Step& step, std::shared_ptr<const ImportValue> quantized) {
  ImportValue product = {nullptr, std::make_shared<Hidden>()};
  product.hidden->form = Form::kIntegerProduct;
  product.hidden->quantized = std::move(quantized);
  product.hidden->moves = {std::make_shared<const Step>(step)};
  return product;
}

// Of such integers and a weight of `rank` axes; the step runs once their scale is known.
ImportValue integer_product(const Step& step, size_t rank) {
  ImportValue product = product_of_integers(step, dynamic_operand(step, 0));
  const Known& weight = step.known(1);
  if (!weight.is_constant() || weight.dims().size() != rank) {
    step.op.refuse("a weight that is no constant of ", rank, " axes");
  }
  product.hidden->known = step.inputs[1].known;
  if (step.has(3)) {
    (void)step.known(3);
    product.hidden->zero = step.inputs[3].known;
  }
  return product;
}

// Of queries and keys, probabilities and values, rows and a weight, or positions and frequencies,
// both quantized at run time.
ImportValue dynamic_product(Importer& importer, const Step& step) {
  const NodeProto node = renamed(step, "MatMul");
  Step floats = {Operation(node, step.op.index(), step.op.opset(), importer.source()), {}, {}};
  for (size_t i = 0; i < 2; ++i) {
    floats.inputs.push_back({step.inputs[i].known, step.inputs[i].hidden});
  }
  const ImportValue known = known_result(importer, floats);
  return known.absent() ? import_matmul(importer, {step.op, floats.inputs, {}})[0] : known;
}

}  // namespace

std::vector<ImportValue> import_integer_matmul(Importer&, const Step& step) {
  const ImportValue& y = step.input(1);
  // A weight that several layers share may be quantized at run time, too.
  const bool dynamic = y.integers && y.integers->at_run_time != nullptr;
  if (!dynamic && y.hidden == nullptr) return {integer_product(step, 2)};
  ImportValue product = product_of_integers(step, dynamic_operand(step, 0));
  product.hidden->multiplied = dynamic_operand(step, 1);
  return {product};
}

std::vector<ImportValue> import_integer_convolution(Importer&, const Step& step) {
  return {integer_product(step, 3)};
}

ImportValue product_of_scales(const Hidden& a, const Hidden& b) {
  if (a.known != nullptr || b.known != nullptr || a.multiplied != nullptr ||
      b.multiplied != nullptr) {
    return {};
  }
  ImportValue result = in_form(a, Form::kScale);
  result.hidden->multiplied = b.quantized;
  return result;
}

ImportValue dequantized_product(Importer& importer, const Step& step, const Hidden& product,
                                const Hidden& scale) {
  const bool own =
      (product.quantized == scale.quantized && product.multiplied == scale.multiplied) ||
      (product.quantized == scale.multiplied && product.multiplied == scale.quantized);
  if (!own || (product.multiplied == nullptr && scale.known == nullptr)) {
    step.op.refuse("the scale of other rows than those that were multiplied");
  }
  if (product.multiplied != nullptr) return dynamic_product(importer, *product.moves[0]);
  const Step& integers = *product.moves[0];
  const bool convolves = integers.op.type() == "ConvInteger";
  // Behind a convolution the last axis counts tokens.
  if (convolves && !scale.known->scalar()) step.op.refuse("a convolution with several scales");
  const auto weight =
      importer.dequantized(step, *product.known, *scale.known, product.zero.get(), {-1});
  const ImportValue& x = integers.inputs[0];
  if (convolves) return import_convolution(importer, {integers.op, {x, {weight, nullptr}}, {}})[0];
  if (x.known != nullptr) return {importer.product(step, *x.known, *weight, true), nullptr};
  return import_matmul(importer, {step.op, {x, {weight, nullptr}}, {}})[0];
}

std::vector<ImportValue> import_quantize(Importer& importer, const Step& step) {
  const Hidden& x = step.hidden(0);
  check_scale(step, x, step.known(1));
  importer.count_activation_scale();
  return {as_integers(step, step.input(0), 1)};
}

// x times a weight of integers, plus a bias: what ONNX Runtime's optimizer makes of MatMulInteger
// and the nodes around it.
std::vector<ImportValue> fused_product(Importer& importer, const Step& step, const ImportValue& x,
                                       size_t scale, size_t zero) {
  const auto weight = importer.dequantized(step, step.known(1), step.known(scale),
                                           optional_known(step, zero), {-1});
  const ImportValue y =
      import_matmul(importer, {step.op, {{nullptr, x.hidden}, {weight, nullptr}}, {}})[0];
  const size_t bias = zero + 1;
  return step.has(bias) ? import_add(importer, {step.op, {y, step.input(bias)}, {}})
                        : std::vector<ImportValue>{y};
}

std::vector<ImportValue> import_matmul_integer_to_float(Importer& importer, const Step& step) {
  // x, weight, scales of both, zero points of both, bias
  const ImportValue& x = step.input(0);
  check_quantized_by(step, x, 2, 4);
  if (x.integers->at_run_time == nullptr) importer.count_activation_scale();
  return fused_product(importer, step, x, 3, 5);
}

std::vector<ImportValue> import_dynamic_quantize_matmul(Importer& importer, const Step& step) {
  // x, weight, its scale and zero point, bias
  const ImportValue& x = step.input(0);
  if (x.hidden == nullptr || x.integers) step.op.refuse("hidden states in float are expected");
  return fused_product(importer, step, x, 2, 3);
}

// As import_embed_layer_norm, with tables and norms in integers of a scale each.
std::vector<ImportValue> import_quantized_embed_layer_norm(Importer& importer, const Step& step) {
  // input_ids, segment_ids?, words, positions, segments?, gamma, beta, mask?; the five's scales,
  // then their zero points
  constexpr size_t kFirst = 2;
  constexpr size_t kLast = 6;
  constexpr size_t kInputs = 8;
  constexpr size_t kToScale = 6;
  constexpr size_t kToZero = 11;
  Step floats = {step.op, step.inputs};
  floats.inputs.resize(kInputs);
  for (size_t i = kFirst; i <= kLast; ++i) {
    if (!step.has(i)) continue;
    floats.inputs[i] = {importer.dequantized(step, step.known(i), step.known(i + kToScale),
                                             optional_known(step, i + kToZero), {-1}),
                        nullptr};
  }
  return import_embed_layer_norm(importer, floats);
}

std::vector<ImportValue> import_dequantize(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kIntegerRows)) {
    check_quantized_by(step, x, 1, 2);
    return {{nullptr, x.hidden}};
  }
  const auto table = importer.dequantized(step, *x.hidden->known, step.known(1),
                                          optional_known(step, 2), scale_axis(step.op));
  return {float_rows(importer, step, *x.hidden, *table)};
}

std::vector<ImportValue> import_qlinear_matmul(Importer& importer, const Step& step) {
  return import_as(importer, step, "MatMul", import_matmul, {0, 3}, 6);
}

std::vector<ImportValue> import_qlinear_add(Importer& importer, const Step& step) {
  return import_as(importer, step, "Add", import_add, {0, 3}, 6);
}

std::vector<ImportValue> import_qlinear_mul(Importer& importer, const Step& step) {
  return import_as(importer, step, "Mul", import_mul, {0, 3}, 6);
}

std::vector<ImportValue> import_qlinear_softmax(Importer& importer, const Step& step) {
  return import_as(importer, step, "Softmax", import_softmax, {0}, 3);
}

std::vector<ImportValue> import_qlinear_sigmoid(Importer& importer, const Step& step) {
  return import_as(importer, step, "Sigmoid", import_function, {0}, 3);
}

// The scale and zero point of the result come first.
std::vector<ImportValue> import_qlinear_concat(Importer& importer, const Step& step) {
  std::vector<size_t> places;
  for (size_t i = 2; i < step.inputs.size(); i += 3) places.push_back(i);
  return import_as(importer, step, "Concat", import_concat, places, 0);
}

std::vector<ImportValue> import_qgemm(Importer& importer, const Step& step) {
  Step gemm = operands(importer, step, {0, 3});
  if (step.has(6)) {
    gemm.inputs.push_back(float_bias(importer, step));
    gemm.places.push_back(6);
  }
  const ImportValue y = import_gemm(importer, gemm)[0];
  return {step.has(7) ? as_integers(step, y, 7) : y};
}

}  // namespace tamis::onnx
