// Products by letters, softmax and padding: what attention in pieces is made of.
#include <algorithm>
#include <cmath>

#include "onnx/evaluate/equation.h"
#include "onnx/evaluate/evaluate.h"

namespace tamis::onnx {

namespace {

bool has_each_once(std::string_view letters) {
  return std::ranges::all_of(letters, [letters](char letter) {
    return letter >= 'A' && letters.find(letter) == letters.rfind(letter);
  });
}

bool has(std::string_view letters, char letter) { return letters.find(letter) != letters.npos; }

std::string without_spaces(std::string_view text) {
  std::string kept(text);
  std::erase(kept, ' ');
  return kept;
}

// Letters by what they are to a product of matrices.
struct Roles {
  std::string batch;  ///< of both operands and the result
  std::string rows;
  std::string columns;
  std::string sums;
};

// A letter of one input alone that the result lacks would be a sum of that input.
std::optional<Roles> roles_of(const Equation& equation) {
  const auto& [left, right] = equation.inputs;
  Roles roles;
  for (const char letter : left) {
    const bool kept = has(equation.output, letter);
    if (!has(right, letter) && !kept) return std::nullopt;
    (has(right, letter) ? (kept ? roles.batch : roles.sums) : roles.rows) += letter;
  }
  for (const char letter : right) {
    if (has(left, letter)) continue;
    if (!has(equation.output, letter)) return std::nullopt;
    roles.columns += letter;
  }
  const size_t known = roles.batch.size() + roles.rows.size() + roles.columns.size();
  return known == equation.output.size() ? std::optional(roles) : std::nullopt;
}

// Axes named `from` in the order of `to`.
Array reordered(const Array& x, std::string_view from, std::string_view to) {
  const Dims strides = strides_of(x.dims);
  Dims dims;
  Dims steps;
  for (const char letter : to) {
    dims.push_back(x.dims[from.find(letter)]);
    steps.push_back(strides[from.find(letter)]);
  }
  std::vector<double> values(x.data->size());
  Dims index(dims.size(), 0);
  int64_t at = 0;
  for (double& value : values) {
    value = x[at];
    for (size_t axis = dims.size(); axis-- > 0;) {
      at += steps[axis];
      if (++index[axis] < dims[axis]) break;
      at -= steps[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return make_array(std::move(dims), x.type, std::move(values));
}

int64_t size_of(const Array& x, std::string_view names, std::string_view letters) {
  int64_t size = 1;
  for (const char letter : letters) size *= x.dims[names.find(letter)];
  return size;
}

void check_sizes(const Equation& equation, const Array& a, const Array& b) {
  const auto& [left, right] = equation.inputs;
  if (a.dims.size() != left.size() || b.dims.size() != right.size()) {
    fail(ErrorCode::kCorruptData, "operands of other ranks than the equation's");
  }
  for (const char letter : left) {
    if (has(right, letter) && a.dims[left.find(letter)] != b.dims[right.find(letter)]) {
      fail(ErrorCode::kCorruptData, "axis \"", std::string(1, letter), "\" of two sizes");
    }
  }
}

// How many zeros or whatever stand before and behind each axis.
struct Pads {
  std::vector<int64_t> before;
  std::vector<int64_t> behind;
};

Pads pads_of(const Operation& op, const Inputs& inputs) {
  const size_t rank = inputs[0]->dims.size();
  const std::vector<int64_t> pads = inputs[1]->integers();
  std::vector<int64_t> axes;
  if (inputs.size() > 3 && inputs[3] != nullptr) axes = inputs[3]->integers();
  const bool all = axes.empty();
  for (size_t i = 0; all && i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  if (pads.size() != 2 * axes.size()) op.refuse(pads.size(), " pads of ", axes.size(), " axes");
  Pads result{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = axis_of(axes[i], rank);
    result.before[axis] = pads[i];
    result.behind[axis] = pads[i + axes.size()];
    if (pads[i] < 0 || pads[i + axes.size()] < 0) op.refuse("pads that take away");
  }
  return result;
}

}  // namespace

std::optional<Equation> equation_of(std::string_view spaced) {
  const std::string text = without_spaces(spaced);
  const size_t comma = text.find(',');
  const size_t arrow = text.find("->");
  if (comma == text.npos || arrow == text.npos || arrow < comma) return std::nullopt;
  Equation equation = {{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1)},
                       text.substr(arrow + 2)};
  const bool plain = has_each_once(equation.inputs[0]) && has_each_once(equation.inputs[1]) &&
                     has_each_once(equation.output);
  return plain ? std::optional(std::move(equation)) : std::nullopt;
}

std::vector<Array> evaluate_einsum(const Operation& op, const Inputs& inputs) {
  const auto equation = equation_of(op.text("equation", ""));
  const auto roles = equation ? roles_of(*equation) : std::nullopt;
  if (!roles) op.refuse("an equation that is no product of matrices");
  const auto& [left, right] = equation->inputs;
  check_sizes(*equation, *inputs[0], *inputs[1]);
  const Array a = reordered(*inputs[0], left, roles->batch + roles->rows + roles->sums);
  const Array b = reordered(*inputs[1], right, roles->batch + roles->sums + roles->columns);
  const Dims wide = {size_of(*inputs[0], left, roles->batch),
                     size_of(*inputs[0], left, roles->rows),
                     size_of(*inputs[0], left, roles->sums)};
  const Dims high = {wide[0], wide[2], size_of(*inputs[1], right, roles->columns)};
  const Array first = {wide, a.type, a.data};
  const Array second = {high, b.type, b.data};
  Array product = evaluate_product(op, {&first, &second})[0];
  const std::string made = roles->batch + roles->rows + roles->columns;
  product.dims.clear();
  for (const char letter : made) {
    const bool of_left = has(left, letter);
    product.dims.push_back(of_left ? inputs[0]->dims[left.find(letter)]
                                   : inputs[1]->dims[right.find(letter)]);
  }
  return {reordered(product, made, equation->output)};
}

std::vector<Array> evaluate_softmax(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const size_t rank = x.dims.size();
  const int64_t otherwise = op.opset() < 13 ? 1 : -1;
  if (rank == 0 || axis_of(op.integer("axis", otherwise), rank) + 1 != rank) {
    op.refuse("a softmax that is not over the last axis");
  }
  const int64_t n = x.dims.back();
  std::vector<double> values = *x.data;
  for (size_t row = 0; n > 0 && row < values.size(); row += static_cast<size_t>(n)) {
    const std::span<double> part(values.data() + row, static_cast<size_t>(n));
    const double most = *std::ranges::max_element(part);
    double sum = 0;
    for (double& value : part) sum += value = std::exp(value - most);
    for (double& value : part) value /= sum;
  }
  return {make_array(x.dims, x.type, std::move(values))};
}

std::vector<Array> evaluate_pad(const Operation& op, const Inputs& inputs) {
  if (op.text("mode", "constant") != "constant") op.refuse("a mode other than constant");
  const Array& x = *inputs[0];
  const Pads pads = pads_of(op, inputs);
  const bool has_value = inputs.size() > 2 && inputs[2] != nullptr && inputs[2]->elements() == 1;
  Dims dims = x.dims;
  for (size_t i = 0; i < dims.size(); ++i) dims[i] += pads.before[i] + pads.behind[i];
  const Dims strides = strides_of(dims);
  std::vector<double> values(static_cast<size_t>(count_of(dims)), has_value ? (*inputs[2])[0] : 0);
  Dims index(dims.size(), 0);
  for (const double value : *x.data) {
    int64_t at = 0;
    for (size_t i = 0; i < dims.size(); ++i) at += (index[i] + pads.before[i]) * strides[i];
    values[static_cast<size_t>(at)] = value;
    for (size_t axis = dims.size(); axis-- > 0;) {
      if (++index[axis] < x.dims[axis]) break;
      index[axis] = 0;
    }
  }
  return {make_array(std::move(dims), x.type, std::move(values))};
}

}  // namespace tamis::onnx
