// Element by element: arithmetic, comparisons, casts, quantization of constants.
#include <algorithm>
#include <cmath>

#include "onnx/evaluate/evaluate.h"

namespace tamis::onnx {

namespace {

struct UnaryRow {
  std::string_view op;
  double (*f)(double);
};
constexpr UnaryRow kUnary[] = {
    {"Identity", [](double x) { return x; }},
    {"Dropout", [](double x) { return x; }},
    {"Neg", [](double x) { return -x; }},
    {"Abs", [](double x) { return std::abs(x); }},
    {"Sign", [](double x) { return static_cast<double>((x > 0) - (x < 0)); }},
    {"Sqrt", [](double x) { return std::sqrt(x); }},
    {"Reciprocal", [](double x) { return 1 / x; }},
    {"Exp", [](double x) { return std::exp(x); }},
    {"Log", [](double x) { return std::log(x); }},
    {"Ceil", [](double x) { return std::ceil(x); }},
    {"Floor", [](double x) { return std::floor(x); }},
    {"Round", [](double x) { return std::nearbyint(x); }},
    {"Erf", [](double x) { return std::erf(x); }},
    {"Tanh", [](double x) { return std::tanh(x); }},
    {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"Relu", [](double x) { return std::max(x, 0.0); }},
    {"Sin", [](double x) { return std::sin(x); }},
    {"Cos", [](double x) { return std::cos(x); }},
    {"Not", [](double x) { return x == 0 ? 1.0 : 0.0; }},
    {"IsNaN", [](double x) { return std::isnan(x) ? 1.0 : 0.0; }},
};

// In files converted to half precision a mask's least number may have become -inf, and 0 times it,
// which a token that is seen gets, NaN; what was meant is 0.
double product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

struct BinaryRow {
  std::string_view op;
  double (*f)(double, double);
  bool gives_bool;
};
constexpr BinaryRow kBinary[] = {
    {"Add", [](double a, double b) { return a + b; }, false},
    {"Sub", [](double a, double b) { return a - b; }, false},
    {"Mul", product, false},
    {"Div", [](double a, double b) { return a / b; }, false},
    {"Pow", [](double a, double b) { return std::pow(a, b); }, false},
    {"Min", [](double a, double b) { return std::min(a, b); }, false},
    {"Max", [](double a, double b) { return std::max(a, b); }, false},
    {"Equal", [](double a, double b) { return static_cast<double>(a == b); }, true},
    {"Less", [](double a, double b) { return static_cast<double>(a < b); }, true},
    {"LessOrEqual", [](double a, double b) { return static_cast<double>(a <= b); }, true},
    {"Greater", [](double a, double b) { return static_cast<double>(a > b); }, true},
    {"GreaterOrEqual", [](double a, double b) { return static_cast<double>(a >= b); }, true},
    {"And", [](double a, double b) { return static_cast<double>(a != 0 && b != 0); }, true},
    {"Or", [](double a, double b) { return static_cast<double>(a != 0 || b != 0); }, true},
    {"Xor", [](double a, double b) { return static_cast<double>((a != 0) != (b != 0)); }, true},
};

double integer_quotient(double a, double b) {
  if (b == 0) fail(ErrorCode::kCorruptData, "a division by zero");
  return std::trunc(a / b);
}

// With the divisor's sign, as Python; with fmod the dividend's.
double modulus(double a, double b, bool fmod) {
  if (b == 0) fail(ErrorCode::kCorruptData, "a division by zero");
  return fmod ? std::fmod(a, b) : a - std::floor(a / b) * b;
}

// As the file's runtime rounds it: at a bucket's edge that decides.
double rounded(double value, ElementType type) {
  return type == ElementType::kFloat ? static_cast<double>(static_cast<float>(value)) : value;
}

std::vector<Array> mapped(const Array& array, ElementType type,
                          const std::function<double(double)>& f) {
  std::vector<double> values(array.data->size());
  std::transform(array.data->begin(), array.data->end(), values.begin(),
                 [&f, type](double x) { return rounded(f(x), type); });
  return {make_array(array.dims, type, std::move(values))};
}

// What a value becomes in another type.
double converted(double value, ElementType to) {
  if (to == ElementType::kBool) return value != 0 ? 1 : 0;
  if (to == ElementType::kFloat) return static_cast<double>(static_cast<float>(value));
  if (is_float(to)) return value;
  return std::trunc(value);
}

// Scale or zero point, spread along the axis that it belongs to.
Array along_axis(const Operation& op, const Array& x, const Array& parameter) {
  if (parameter.elements() == 1) return make_array({}, parameter.type, {parameter[0]});
  const size_t axis = axis_of(op.integer("axis", 1), x.dims.size());
  if (parameter.dims.size() != 1 || parameter.dims[0] != x.dims[axis]) {
    op.refuse("scales in blocks; accepted are one, and one for each index of an axis");
  }
  Dims dims(x.dims.size() - axis, 1);
  dims[0] = parameter.dims[0];
  return {dims, parameter.type, parameter.data};
}

// The zero point's type or, since opset 21, the attribute's; UINT8 if neither says it.
ElementType quantized_type(const Operation& op, const Inputs& inputs) {
  const bool has_zero = inputs.size() > 2 && inputs[2] != nullptr;
  const auto named = static_cast<ElementType>(op.integer("output_dtype", 0));
  if (named == ElementType::kUndefined) return has_zero ? inputs[2]->type : ElementType::kUint8;
  if (has_zero && named != inputs[2]->type) {
    fail(ErrorCode::kCorruptData, "output_dtype is ", element_type_name(named),
         ", but the zero point ", element_type_name(inputs[2]->type));
  }
  return named;
}

Array zero_point_of(const Operation& op, const Inputs& inputs) {
  if (inputs.size() < 3 || inputs[2] == nullptr) return make_array({}, ElementType::kUint8, {0});
  return along_axis(op, *inputs[0], *inputs[2]);
}

}  // namespace

std::vector<Array> evaluate_unary(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  for (const UnaryRow& row : kUnary) {
    if (row.op != op.type()) continue;
    const bool gives_bool = row.op == "IsNaN" || row.op == "Not";
    return mapped(x, gives_bool ? ElementType::kBool : x.type, row.f);
  }
  op.refuse("this operator is not built");
}

std::vector<Array> evaluate_binary(const Operation& op, const Inputs& inputs) {
  const ElementType type = inputs[0]->type;
  if (op.type() == "Mod") {
    const bool fmod = op.integer("fmod", 0) != 0;
    return {combine(*inputs[0], *inputs[1], type,
                    [fmod](double a, double b) { return modulus(a, b, fmod); })};
  }
  if (op.type() == "Div" && !is_float(type)) {
    return {combine(*inputs[0], *inputs[1], type, integer_quotient)};
  }
  for (const BinaryRow& row : kBinary) {
    if (row.op != op.type()) continue;
    // Min and Max take any number of inputs.
    Array result = *inputs[0];
    for (size_t i = 1; i < inputs.size(); ++i) {
      const ElementType gives = row.gives_bool ? ElementType::kBool : type;
      result = combine(result, *inputs[i], gives,
                       [&row, gives](double a, double b) { return rounded(row.f(a, b), gives); });
    }
    return {result};
  }
  op.refuse("this operator is not built");
}

std::vector<Array> evaluate_cast(const Operation& op, const Inputs& inputs) {
  const bool like = op.type() == "CastLike";
  const auto to = like ? inputs[1]->type : static_cast<ElementType>(op.integer("to", 0));
  if (!dtype_of(to)) op.refuse("a cast to ", element_type_name(to));
  return mapped(*inputs[0], to, [to](double x) { return converted(x, to); });
}

std::vector<Array> evaluate_is_inf(const Operation& op, const Inputs& inputs) {
  const bool low = op.integer("detect_negative", 1) != 0;
  const bool high = op.integer("detect_positive", 1) != 0;
  return mapped(*inputs[0], ElementType::kBool, [low, high](double x) {
    return std::isinf(x) && (x < 0 ? low : high) ? 1.0 : 0.0;
  });
}

std::vector<Array> evaluate_where(const Operation&, const Inputs& inputs) {
  const Dims values = broadcast_dims(inputs[1]->dims, inputs[2]->dims);
  const Dims dims = broadcast_dims(inputs[0]->dims, values);
  const Array yes = spread(*inputs[1], dims);
  const Array no = spread(*inputs[2], dims);
  const Array condition = spread(*inputs[0], dims);
  std::vector<double> chosen(static_cast<size_t>(count_of(dims)));
  for (size_t i = 0; i < chosen.size(); ++i) {
    chosen[i] = (*condition.data)[i] != 0 ? (*yes.data)[i] : (*no.data)[i];
  }
  return {make_array(dims, yes.type, std::move(chosen))};
}

std::vector<Array> evaluate_clip(const Operation& op, const Inputs& inputs) {
  const auto limit = [&](size_t i, double otherwise) {
    if (i >= inputs.size() || inputs[i] == nullptr) return otherwise;
    if (inputs[i]->elements() != 1) op.refuse("input ", i, " is no single value");
    return (*inputs[i])[0];
  };
  const double low = limit(1, -INFINITY);
  const double high = limit(2, INFINITY);
  return mapped(*inputs[0], inputs[0]->type,
                [low, high](double x) { return std::min(std::max(x, low), high); });
}

std::vector<Array> evaluate_quantize(const Operation& op, const Inputs& inputs) {
  const ElementType type = quantized_type(op, inputs);
  const auto range = integer_range(type);
  if (!range) {
    op.refuse("quantization to ", element_type_name(type),
              "; accepted are INT32, and INT16, INT8, INT4 with and without a sign");
  }
  const Array scaled = combine(*inputs[0], along_axis(op, *inputs[0], *inputs[1]), type,
                               [](double x, double scale) { return std::nearbyint(x / scale); });
  return {combine(scaled, zero_point_of(op, inputs), type, [range](double x, double zero) {
    return std::clamp(x + zero, range->least, range->most);
  })};
}

std::vector<Array> evaluate_dequantize(const Operation& op, const Inputs& inputs) {
  const Array shifted = combine(*inputs[0], zero_point_of(op, inputs), inputs[0]->type,
                                [](double x, double zero) { return x - zero; });
  return {combine(shifted, along_axis(op, *inputs[0], *inputs[1]), inputs[1]->type,
                  [](double x, double scale) { return x * scale; })};
}

}  // namespace tamis::onnx
