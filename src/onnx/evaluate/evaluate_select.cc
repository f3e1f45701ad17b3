// What picks values by their place, and what sums them up along axes.
#include <algorithm>
#include <cmath>

#include "formats/stored_tensor.h"
#include "onnx/evaluate/evaluate.h"

namespace tamis::onnx {

namespace {

// A tensor as [outer, size, inner] around an axis.
struct Around {
  int64_t outer = 1;
  int64_t size = 1;
  int64_t inner = 1;
};
Around around(const Dims& dims, size_t axis) {
  Around parts;
  for (size_t i = 0; i < axis; ++i) parts.outer *= dims[i];
  parts.size = dims[axis];
  for (size_t i = axis + 1; i < dims.size(); ++i) parts.inner *= dims[i];
  return parts;
}

int64_t checked_index(int64_t index, int64_t size) {
  const int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size) fail(ErrorCode::kCorruptData, "index ", index, " of ", size);
  return at;
}

// Where in a tensor of `dims` pairs, triples... of indices lead, `depth` at a time, and how many
// values lie there.
struct Places {
  std::vector<int64_t> starts;
  int64_t count = 1;  ///< of values at each
};
Places places_of(const Operation& op, const Dims& dims, const Array& indices) {
  const int64_t depth = indices.dims.empty() ? 0 : indices.dims.back();
  if (depth < 1 || depth > static_cast<int64_t>(dims.size())) op.refuse("indices of ", depth);
  const auto axes = static_cast<size_t>(depth);
  const Dims strides = strides_of(dims);
  Places places;
  for (size_t i = axes; i < dims.size(); ++i) places.count *= dims[i];
  const std::vector<int64_t> values = indices.integers();
  for (size_t i = 0; i < values.size(); i += axes) {
    int64_t at = 0;
    for (size_t axis = 0; axis < axes; ++axis) {
      at += checked_index(values[i + axis], dims[axis]) * strides[axis];
    }
    places.starts.push_back(at);
  }
  return places;
}

// Where each value of GatherElements and ScatterElements lies in a tensor of `dims`.
std::vector<int64_t> places_of_elements(const Operation& op, const Dims& dims,
                                        const Array& indices) {
  const size_t axis = axis_of(op.integer("axis", 0), dims.size());
  if (indices.dims.size() != dims.size()) op.refuse("indices of another rank");
  const Dims from = strides_of(dims);
  const Dims to = strides_of(indices.dims);
  const std::vector<int64_t> places = indices.integers();
  std::vector<int64_t> result;
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t own = static_cast<int64_t>(i) / to[d] % indices.dims[d];
      at += checked_index(d == axis ? places[i] : own, dims[d]) * from[d];
    }
    result.push_back(at);
  }
  return result;
}

void check_scatter(const Operation& op, const Array& updates, int64_t count) {
  if (op.text("reduction", "none") != "none") op.refuse("a reduction of what is there");
  if (updates.elements() == count) return;
  fail(ErrorCode::kCorruptData, updates.elements(), " updates for ", count, " places");
}

// The part of one axis.
Array taken(const Array& x, const SliceRange& range) {
  const Around parts = around(x.dims, range.axis);
  Dims dims = x.dims;
  dims[range.axis] = range.count;
  std::vector<double> values;
  values.reserve(static_cast<size_t>(count_of(dims)));
  for (int64_t outer = 0; outer < parts.outer; ++outer) {
    for (int64_t i = 0; i < range.count; ++i) {
      const int64_t at = (outer * parts.size + range.first + i * range.step) * parts.inner;
      for (int64_t j = 0; j < parts.inner; ++j) values.push_back(x[at + j]);
    }
  }
  return make_array(std::move(dims), x.type, std::move(values));
}

SliceRange slice_range(size_t axis, int64_t size, int64_t start, int64_t end, int64_t step) {
  if (step == 0) fail(ErrorCode::kCorruptData, "a step of 0");
  const bool back = step < 0;
  const auto place = [size, back](int64_t at) {
    const int64_t from_front = at < 0 ? at + size : at;
    return std::clamp<int64_t>(from_front, back ? -1 : 0, back ? size - 1 : size);
  };
  const int64_t first = place(start);
  // The end of a slice backwards that goes to the very front is written as far below 0.
  const int64_t last = back && end < -size ? -1 : place(end);
  const int64_t span = back ? first - last : last - first;
  const int64_t stride = std::abs(step);
  return {axis, first, span > 0 ? (span + stride - 1) / stride : 0, step};
}

double reduced(std::string_view op, double sum, double value) {
  if (op == "ReduceMax") return std::max(sum, value);
  if (op == "ReduceMin") return std::min(sum, value);
  if (op == "ReduceProd") return sum * value;
  return sum + value;
}

Array reduce_axis(const Array& x, size_t axis, std::string_view op) {
  const Around parts = around(x.dims, axis);
  if (parts.size == 0) fail(ErrorCode::kUnsupported, "a reduction of no values");
  Dims dims = x.dims;
  dims[axis] = 1;
  std::vector<double> values(static_cast<size_t>(parts.outer * parts.inner));
  for (int64_t outer = 0; outer < parts.outer; ++outer) {
    for (int64_t inner = 0; inner < parts.inner; ++inner) {
      const int64_t first = outer * parts.size * parts.inner + inner;
      double result = x[first];
      for (int64_t i = 1; i < parts.size; ++i)
        result = reduced(op, result, x[first + i * parts.inner]);
      if (op == "ReduceMean") result /= static_cast<double>(parts.size);
      values[static_cast<size_t>(outer * parts.inner + inner)] = result;
    }
  }
  return make_array(std::move(dims), x.type, std::move(values));
}

}  // namespace

std::vector<SliceRange> slice_ranges(const Operation& op, const Dims& dims, const Inputs& inputs) {
  const auto list = [&](size_t i) {
    const bool is_there = i < inputs.size() && inputs[i] != nullptr;
    if (!is_there && i < 3) fail(ErrorCode::kCorruptData, op.label(), ": input ", i, " is missing");
    return is_there ? inputs[i]->integers() : std::vector<int64_t>();
  };
  const std::vector<int64_t> starts = list(1);
  const std::vector<int64_t> ends = list(2);
  std::vector<int64_t> axes = list(3);
  std::vector<int64_t> steps = list(4);
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    fail(ErrorCode::kCorruptData, "starts, ends, axes and steps of different lengths");
  }
  std::vector<SliceRange> ranges;
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = axis_of(axes[i], dims.size());
    ranges.push_back(slice_range(axis, dims[axis], starts[i], ends[i], steps[i]));
  }
  return ranges;
}

std::vector<int64_t> split_sizes(const Operation& op, int64_t size, const Inputs& inputs) {
  std::vector<int64_t> sizes =
      inputs.size() > 1 && inputs[1] != nullptr ? inputs[1]->integers() : op.integers("split");
  const auto outputs = static_cast<int64_t>(op.node().outputs.size());
  if (sizes.empty() && outputs > 0) {
    const int64_t each = (size + outputs - 1) / outputs;
    for (int64_t i = 0; i < outputs; ++i) sizes.push_back(std::min(each, size - i * each));
  }
  int64_t sum = 0;
  bool fits = static_cast<int64_t>(sizes.size()) == outputs;
  for (const int64_t part : sizes) {
    fits = fits && part >= 0 && !__builtin_add_overflow(sum, part, &sum);
  }
  if (!fits || sum != size) {
    fail(ErrorCode::kCorruptData, "parts ", sizes_to_string(sizes), " of ", size, " for ", outputs,
         " outputs");
  }
  return sizes;
}

std::vector<Array> evaluate_slice(const Operation& op, const Inputs& inputs) {
  Array result = *inputs[0];
  for (const SliceRange& range : slice_ranges(op, result.dims, inputs))
    result = taken(result, range);
  return {result};
}

std::vector<Array> evaluate_split(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const size_t axis = axis_of(op.integer("axis", 0), x.dims.size());
  std::vector<Array> parts;
  int64_t first = 0;
  for (const int64_t size : split_sizes(op, x.dims[axis], inputs)) {
    parts.push_back(taken(x, {axis, first, size, 1}));
    first += size;
  }
  return parts;
}

std::vector<Array> evaluate_concat(const Operation& op, const Inputs& inputs) {
  const Array& first = *inputs[0];
  const size_t axis = axis_of(op.integer("axis", 0), first.dims.size());
  Dims dims = first.dims;
  dims[axis] = 0;
  for (const Array* input : inputs) {
    Dims other = input->dims;
    if (other.size() != dims.size()) fail(ErrorCode::kCorruptData, "inputs of different ranks");
    dims[axis] += other[axis];
    other[axis] = first.dims[axis];
    if (other != first.dims) fail(ErrorCode::kCorruptData, "inputs of different shapes");
  }
  std::vector<double> values;
  values.reserve(static_cast<size_t>(count_of(dims)));
  for (int64_t outer = 0; outer < around(first.dims, axis).outer; ++outer) {
    for (const Array* input : inputs) {
      const Around parts = around(input->dims, axis);
      const int64_t count = parts.size * parts.inner;
      for (int64_t i = 0; i < count; ++i) values.push_back((*input)[outer * count + i]);
    }
  }
  return {make_array(std::move(dims), first.type, std::move(values))};
}

std::vector<Array> evaluate_gather(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const Array& indices = *inputs[1];
  const size_t axis = axis_of(op.integer("axis", 0), x.dims.size());
  const Around parts = around(x.dims, axis);
  Dims dims(x.dims.begin(), x.dims.begin() + static_cast<int64_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), x.dims.begin() + static_cast<int64_t>(axis) + 1, x.dims.end());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(count_of(dims)));
  const std::vector<int64_t> places = indices.integers();
  for (int64_t outer = 0; outer < parts.outer; ++outer) {
    for (const int64_t place : places) {
      const int64_t at = (outer * parts.size + checked_index(place, parts.size)) * parts.inner;
      for (int64_t j = 0; j < parts.inner; ++j) values.push_back(x[at + j]);
    }
  }
  return {make_array(std::move(dims), x.type, std::move(values))};
}

std::vector<Array> evaluate_gather_nd(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const Array& indices = *inputs[1];
  if (op.integer("batch_dims", 0) != 0) op.refuse("batch_dims that is not 0");
  const Places places = places_of(op, x.dims, indices);
  Dims dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.insert(dims.end(), x.dims.begin() + indices.dims.back(), x.dims.end());
  std::vector<double> values;
  values.reserve(static_cast<size_t>(count_of(dims)));
  for (const int64_t at : places.starts) {
    for (int64_t j = 0; j < places.count; ++j) values.push_back(x[at + j]);
  }
  return {make_array(std::move(dims), x.type, std::move(values))};
}

std::vector<Array> evaluate_gather_elements(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  std::vector<double> values;
  for (const int64_t at : places_of_elements(op, x.dims, *inputs[1])) values.push_back(x[at]);
  return {make_array(inputs[1]->dims, x.type, std::move(values))};
}

std::vector<Array> evaluate_scatter_nd(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const Array& updates = *inputs[2];
  const Places places = places_of(op, x.dims, *inputs[1]);
  check_scatter(op, updates, static_cast<int64_t>(places.starts.size()) * places.count);
  std::vector<double> values = *x.data;
  int64_t next = 0;
  for (const int64_t at : places.starts) {
    for (int64_t j = 0; j < places.count; ++j)
      values[static_cast<size_t>(at + j)] = updates[next++];
  }
  return {make_array(x.dims, x.type, std::move(values))};
}

std::vector<Array> evaluate_scatter_elements(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const Array& updates = *inputs[2];
  const std::vector<int64_t> places = places_of_elements(op, x.dims, *inputs[1]);
  check_scatter(op, updates, static_cast<int64_t>(places.size()));
  std::vector<double> values = *x.data;
  for (size_t i = 0; i < places.size(); ++i) {
    values[static_cast<size_t>(places[i])] = updates[static_cast<int64_t>(i)];
  }
  return {make_array(x.dims, x.type, std::move(values))};
}

std::vector<Array> evaluate_nonzero(const Operation&, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const Dims strides = strides_of(x.dims);
  std::vector<int64_t> found;
  for (int64_t i = 0; i < x.elements(); ++i) {
    if (x[i] != 0) found.push_back(i);
  }
  std::vector<double> values;
  for (size_t d = 0; d < x.dims.size(); ++d) {
    for (const int64_t i : found) values.push_back(static_cast<double>(i / strides[d] % x.dims[d]));
  }
  return {make_array({static_cast<int64_t>(x.dims.size()), static_cast<int64_t>(found.size())},
                     ElementType::kInt64, std::move(values))};
}

std::vector<Array> evaluate_reduce(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  std::vector<int64_t> axes = axes_of(op, inputs, 1);
  if (axes.empty() && op.integer("noop_with_empty_axes", 0) != 0) return {x};
  if (axes.empty()) {
    for (size_t i = 0; i < x.dims.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  Array result = x;
  std::vector<bool> gone(x.dims.size(), false);
  for (const int64_t axis : axes) {
    const size_t at = axis_of(axis, x.dims.size());
    result = reduce_axis(result, at, op.type());
    gone[at] = true;
  }
  if (op.integer("keepdims", 1) != 0) return {result};
  Dims dims;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (!gone[i]) dims.push_back(x.dims[i]);
  }
  return {{dims, result.type, result.data}};
}

std::vector<Array> evaluate_argmax(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const size_t axis = axis_of(op.integer("axis", 0), x.dims.size());
  const bool last = op.integer("select_last_index", 0) != 0;
  const Around parts = around(x.dims, axis);
  if (parts.size == 0) op.refuse("an axis of size 0");
  std::vector<double> values;
  for (int64_t i = 0; i < parts.outer * parts.inner; ++i) {
    const auto at = [&](int64_t place) {
      return x[(i / parts.inner * parts.size + place) * parts.inner + i % parts.inner];
    };
    int64_t best = 0;
    for (int64_t place = 1; place < parts.size; ++place) {
      if (last ? at(place) >= at(best) : at(place) > at(best)) best = place;
    }
    values.push_back(static_cast<double>(best));
  }
  Dims dims = x.dims;
  dims[axis] = 1;
  if (op.integer("keepdims", 1) == 0) dims.erase(dims.begin() + static_cast<int64_t>(axis));
  return {make_array(std::move(dims), ElementType::kInt64, std::move(values))};
}

std::vector<Array> evaluate_cumsum(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  if (inputs[1]->elements() != 1) op.refuse("an axis that is no single value");
  if (op.integer("reverse", 0) != 0) op.refuse("a reversed sum");
  const bool exclusive = op.integer("exclusive", 0) != 0;
  const size_t axis = axis_of(inputs[1]->integers()[0], x.dims.size());
  const Around parts = around(x.dims, axis);
  std::vector<double> values = *x.data;
  for (int64_t outer = 0; outer < parts.outer; ++outer) {
    for (int64_t i = 1; i < parts.size; ++i) {
      for (int64_t j = 0; j < parts.inner; ++j) {
        const auto at = static_cast<size_t>((outer * parts.size + i) * parts.inner + j);
        values[at] += values[at - static_cast<size_t>(parts.inner)];
      }
    }
  }
  for (size_t i = 0; exclusive && i < values.size(); ++i) values[i] -= (*x.data)[i];
  return {make_array(x.dims, x.type, std::move(values))};
}

std::vector<Array> evaluate_trilu(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  if (x.dims.size() < 2) op.refuse("a tensor of rank ", x.dims.size());
  const bool upper = op.integer("upper", 1) != 0;
  int64_t k = 0;
  if (inputs.size() > 1 && inputs[1] != nullptr) {
    if (inputs[1]->elements() != 1) op.refuse("input 1 is no single value");
    k = std::clamp<int64_t>(inputs[1]->integers()[0], -kMaxElements, kMaxElements);
  }
  const int64_t columns = x.dims.back();
  const int64_t rows = x.dims[x.dims.size() - 2];
  std::vector<double> values = *x.data;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / columns % rows;
    const int64_t column = static_cast<int64_t>(i) % columns;
    if (upper ? column < row + k : column > row + k) values[i] = 0;
  }
  return {make_array(x.dims, x.type, std::move(values))};
}

}  // namespace tamis::onnx
