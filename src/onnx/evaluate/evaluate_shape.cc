// What makes and reshapes tensors without looking at their values.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/stored_tensor.h"
#include "onnx/evaluate/evaluate.h"

namespace tamis::onnx {

Dims reshaped_dims(const Dims& dims, const std::vector<int64_t>& target, bool allow_zero) {
  Dims result = target;
  int64_t known = 1;
  std::optional<size_t> rest;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == 0 && !allow_zero && i < dims.size()) result[i] = dims[i];
    if (result[i] == -1 && !rest) {
      rest = i;
      continue;
    }
    if (result[i] < 0 || __builtin_mul_overflow(known, result[i], &known)) {
      fail(ErrorCode::kCorruptData, "shape ", sizes_to_string(target));
    }
  }
  const int64_t count = count_of(dims);
  if (rest) result[*rest] = known == 0 ? 0 : count / known;
  if (count_of(result) != count) {
    fail(ErrorCode::kCorruptData, "a tensor ", sizes_to_string(dims), " does not take the shape ",
         sizes_to_string(target));
  }
  return result;
}

std::vector<int64_t> axes_of(const Operation& op, const Inputs& inputs, size_t i) {
  if (i < inputs.size() && inputs[i] != nullptr) return inputs[i]->integers();
  return op.integers("axes");
}

std::vector<Array> evaluate_constant(const Operation& op, const Inputs&) {
  const AttributeProto* value = op.node().attribute("value");
  if (value != nullptr && value->tensors.size() == 1) return {array_of(value->tensors[0])};
  if (op.has("value_int")) {
    return {make_array({}, ElementType::kInt64, {static_cast<double>(op.integer("value_int", 0))})};
  }
  if (op.has("value_ints")) return {make_vector(op.integers("value_ints"))};
  if (op.has("value_float")) {
    return {make_array({}, ElementType::kFloat, {op.number("value_float", 0)})};
  }
  if (const AttributeProto* floats = op.node().attribute("value_floats")) {
    const auto count = static_cast<int64_t>(floats->numbers.size());
    return {
        make_array({count}, ElementType::kFloat, {floats->numbers.begin(), floats->numbers.end()})};
  }
  op.refuse("a constant without a value that is read; accepted are tensors, integers and floats");
}

std::vector<Array> evaluate_fill(const Operation& op, const Inputs& inputs) {
  Dims dims = inputs[0]->integers();
  Array value = make_array({}, ElementType::kFloat, {0});
  if (const AttributeProto* attribute = op.node().attribute("value")) {
    if (attribute->tensors.size() != 1) op.refuse("the attribute value is no tensor");
    value = array_of(attribute->tensors[0]);
  }
  if (value.elements() != 1) op.refuse("a value of ", value.elements(), " elements");
  std::vector<double> values(static_cast<size_t>(count_of(dims)), value[0]);
  return {make_array(std::move(dims), value.type, std::move(values))};
}

std::vector<Array> evaluate_range(const Operation& op, const Inputs& inputs) {
  for (size_t i = 0; i < 3; ++i) {
    if (inputs[i]->elements() != 1) op.refuse("input ", i, " is no single value");
  }
  const double start = (*inputs[0])[0];
  const double step = (*inputs[2])[0];
  const double count = std::ceil(((*inputs[1])[0] - start) / step);
  if (!(count <= static_cast<double>(kMaxElements))) op.refuse("a range of ", count, " values");
  std::vector<double> values(count > 0 ? static_cast<size_t>(count) : 0);
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<double>(i) * step;
  const auto size = static_cast<int64_t>(values.size());
  return {make_array({size}, inputs[0]->type, std::move(values))};
}

std::vector<Array> evaluate_shape(const Operation& op, const Inputs& inputs) {
  const Dims& dims = inputs[0]->dims;
  const auto rank = static_cast<int64_t>(dims.size());
  const auto place = [rank](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = place(op.integer("start", 0));
  const int64_t end = std::max(start, place(op.integer("end", rank)));
  return {make_vector(
      std::span(dims).subspan(static_cast<size_t>(start), static_cast<size_t>(end - start)))};
}

std::vector<Array> evaluate_size(const Operation&, const Inputs& inputs) {
  return {make_array({}, ElementType::kInt64, {static_cast<double>(inputs[0]->elements())})};
}

std::vector<Array> evaluate_reshape(const Operation& op, const Inputs& inputs) {
  const std::vector<int64_t> target = inputs[1]->integers();
  const Array& x = *inputs[0];
  return {{reshaped_dims(x.dims, target, op.integer("allowzero", 0) != 0), x.type, x.data}};
}

std::vector<Array> evaluate_flatten(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const auto rank = static_cast<int64_t>(x.dims.size());
  int64_t axis = op.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) op.refuse("axis ", axis, " of rank ", rank);
  int64_t rows = 1;
  for (int64_t i = 0; i < axis; ++i) rows *= x.dims[static_cast<size_t>(i)];
  return {{{rows, rows == 0 ? 0 : x.elements() / rows}, x.type, x.data}};
}

std::vector<Array> evaluate_squeeze(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const std::vector<int64_t> axes = axes_of(op, inputs, 1);
  std::vector<bool> gone(x.dims.size(), false);
  for (size_t i = 0; i < x.dims.size(); ++i) gone[i] = axes.empty() && x.dims[i] == 1;
  for (const int64_t axis : axes) gone[axis_of(axis, x.dims.size())] = true;
  Dims dims;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (!gone[i]) dims.push_back(x.dims[i]);
    if (gone[i] && x.dims[i] != 1) {
      fail(ErrorCode::kCorruptData, "axis ", i, " of ", sizes_to_string(x.dims), " is not 1");
    }
  }
  return {{dims, x.type, x.data}};
}

std::vector<Array> evaluate_unsqueeze(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const std::vector<int64_t> axes = axes_of(op, inputs, 1);
  Dims dims(x.dims.size() + axes.size(), 0);
  for (const int64_t axis : axes) dims[axis_of(axis, dims.size())] = 1;
  size_t next = 0;
  for (int64_t& size : dims) {
    if (size == 0 && next < x.dims.size()) size = x.dims[next++];
  }
  if (count_of(dims) != x.elements()) fail(ErrorCode::kCorruptData, "an axis that is named twice");
  return {{dims, x.type, x.data}};
}

std::vector<Array> evaluate_expand(const Operation&, const Inputs& inputs) {
  const Array& x = *inputs[0];
  return {spread(x, broadcast_dims(x.dims, inputs[1]->integers()))};
}

std::vector<Array> evaluate_tile(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const std::vector<int64_t> repeats = inputs[1]->integers();
  if (repeats.size() != x.dims.size()) op.refuse("repeats of another rank");
  Dims dims = x.dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (__builtin_mul_overflow(dims[i], repeats[i], &dims[i])) op.refuse("too many repeats");
  }
  std::vector<double> values(static_cast<size_t>(count_of(dims)));
  const Dims from = strides_of(x.dims);
  const Dims to = strides_of(dims);
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t at = 0;
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      at += static_cast<int64_t>(i) / to[axis] % dims[axis] % x.dims[axis] * from[axis];
    }
    values[i] = x[at];
  }
  return {make_array(dims, x.type, std::move(values))};
}

std::vector<int64_t> perm_of(const Operation& op, size_t rank) {
  std::vector<int64_t> perm = op.integers("perm");
  if (perm.empty()) {
    perm.resize(rank);
    std::iota(perm.rbegin(), perm.rend(), int64_t{0});
  }
  std::vector<int64_t> wanted(rank);
  std::iota(wanted.begin(), wanted.end(), int64_t{0});
  if (!std::is_permutation(perm.begin(), perm.end(), wanted.begin(), wanted.end())) {
    fail(ErrorCode::kCorruptData, op.label(), ": perm ", sizes_to_string(perm), " of rank ", rank);
  }
  return perm;
}

std::vector<Array> evaluate_transpose(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const size_t rank = x.dims.size();
  const std::vector<int64_t> perm = perm_of(op, rank);
  const Dims from = strides_of(x.dims);
  Dims dims(rank);
  Dims strides(rank);
  for (size_t i = 0; i < rank; ++i) {
    dims[i] = x.dims[static_cast<size_t>(perm[i])];
    strides[i] = from[static_cast<size_t>(perm[i])];
  }
  std::vector<double> values(x.data->size());
  Dims index(rank, 0);
  int64_t at = 0;
  for (double& value : values) {
    value = x[at];
    for (size_t axis = rank; axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < dims[axis]) break;
      at -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return {make_array(dims, x.type, std::move(values))};
}

}  // namespace tamis::onnx
