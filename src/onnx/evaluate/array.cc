#include "onnx/evaluate/array.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/stored_tensor.h"

namespace tamis::onnx {

namespace {

template <typename T>
std::vector<double> widened(std::span<const std::byte> bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

std::vector<double> half_values(const TensorProto& tensor, DType dtype) {
  StoredTensor stored;
  stored.name = tensor.name;
  stored.sizes = {static_cast<int64_t>(tensor.bytes.size() / 2)};
  attach_bytes(stored, {dtype, tensor.bytes, tensor.keeper});
  const Tensor floats = to_float32(stored.tensor->view());
  const auto values = floats.as<float>();
  return {values.begin(), values.end()};
}

// Integers of 4 bits, two to a byte, the lower half first.
std::vector<double> halves_of_bytes(const TensorProto& tensor) {
  const std::vector<int32_t> integers =
      unpacked_integers(tensor.bytes, 4, checked_elements(tensor.dims).value_or(0),
                        tensor.type == ElementType::kInt4);
  return {integers.begin(), integers.end()};
}

std::vector<double> values_of(const TensorProto& tensor) {
  switch (tensor.type) {
    case ElementType::kFloat:
      return widened<float>(tensor.bytes);
    case ElementType::kDouble:
      return widened<double>(tensor.bytes);
    case ElementType::kFloat16:
      return half_values(tensor, DType::kF16);
    case ElementType::kBfloat16:
      return half_values(tensor, DType::kBF16);
    case ElementType::kInt8:
      return widened<int8_t>(tensor.bytes);
    case ElementType::kUint8:
    case ElementType::kBool:
      return widened<uint8_t>(tensor.bytes);
    case ElementType::kInt16:
      return widened<int16_t>(tensor.bytes);
    case ElementType::kUint16:
      return widened<uint16_t>(tensor.bytes);
    case ElementType::kInt32:
      return widened<int32_t>(tensor.bytes);
    case ElementType::kInt64:
      return widened<int64_t>(tensor.bytes);
    case ElementType::kInt4:
    case ElementType::kUint4:
      return halves_of_bytes(tensor);
    default:
      fail(ErrorCode::kUnsupported, "constant \"", tensor.name, "\" of ",
           element_type_name(tensor.type),
           "; accepted are floats, BOOL, INT64, INT32, and INT16, INT8, INT4 with and without a "
           "sign");
  }
}

}  // namespace

std::vector<int64_t> Array::integers() const {
  // INT64_MAX, which exporters write for "to the end", has become 2^63.
  constexpr double kLimit = 9.2e18;
  std::vector<int64_t> values;
  values.reserve(data->size());
  for (const double value : *data) {
    values.push_back(static_cast<int64_t>(std::clamp(value, -kLimit, kLimit)));
  }
  return values;
}

Array make_array(Dims dims, ElementType type, std::vector<double> values) {
  return {std::move(dims), type, std::make_shared<const std::vector<double>>(std::move(values))};
}

Array make_vector(std::span<const int64_t> values) {
  return make_array({static_cast<int64_t>(values.size())}, ElementType::kInt64,
                    {values.begin(), values.end()});
}

bool is_float(ElementType type) {
  return type == ElementType::kFloat || type == ElementType::kFloat16 ||
         type == ElementType::kBfloat16 || type == ElementType::kDouble;
}

std::vector<int32_t> unpacked_integers(std::span<const std::byte> bytes, int bits, int64_t count,
                                       bool has_sign) {
  const int in_byte = 8 / bits;
  const int32_t sign = has_sign ? 1 << (bits - 1) : 0;
  std::vector<int32_t> integers(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[static_cast<size_t>(i / in_byte)]);
    const int32_t value = byte >> (i % in_byte * bits) & ((1 << bits) - 1);
    integers[static_cast<size_t>(i)] = (value ^ sign) - sign;
  }
  return integers;
}

Array array_of(const TensorProto& tensor) {
  return make_array(tensor.dims, tensor.type, values_of(tensor));
}

std::optional<IntegerRange> integer_range(ElementType type) {
  switch (type) {
    case ElementType::kInt4:
      return IntegerRange{-8, 7};
    case ElementType::kUint4:
      return IntegerRange{0, 15};
    case ElementType::kInt8:
      return IntegerRange{INT8_MIN, INT8_MAX};
    case ElementType::kUint8:
      return IntegerRange{0, UINT8_MAX};
    case ElementType::kInt16:
      return IntegerRange{INT16_MIN, INT16_MAX};
    case ElementType::kUint16:
      return IntegerRange{0, UINT16_MAX};
    case ElementType::kInt32:
      return IntegerRange{INT32_MIN, INT32_MAX};
    default:
      return std::nullopt;
  }
}

int64_t count_of(std::span<const int64_t> dims) {
  const auto count = checked_elements(dims);
  if (!count || *count > kMaxElements) {
    fail(ErrorCode::kUnsupported, "a tensor ", sizes_to_string(dims), " computed from sizes");
  }
  return *count;
}

Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b) {
  Dims dims(std::max(a.size(), b.size()));
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      fail(ErrorCode::kCorruptData, "shapes ", sizes_to_string(a), " and ", sizes_to_string(b),
           " do not broadcast");
    }
    dims[dims.size() - 1 - i] = left == 1 ? right : left;
  }
  return dims;
}

Dims strides_of(std::span<const int64_t> dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

size_t axis_of(int64_t axis, size_t rank) {
  const int64_t from_front = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
  if (from_front < 0 || from_front >= static_cast<int64_t>(rank)) {
    fail(ErrorCode::kCorruptData, "axis ", axis, " of a tensor of rank ", rank);
  }
  return static_cast<size_t>(from_front);
}

Array spread(const Array& array, const Dims& dims) {
  if (array.dims == dims) return array;
  if (broadcast_dims(array.dims, dims) != dims) {
    fail(ErrorCode::kCorruptData, "shape ", sizes_to_string(array.dims), " does not spread to ",
         sizes_to_string(dims));
  }
  // The stride of an axis that is repeated is 0.
  const Dims own = strides_of(array.dims);
  Dims strides(dims.size(), 0);
  const size_t lead = dims.size() - array.dims.size();
  for (size_t i = 0; i < array.dims.size(); ++i) {
    if (array.dims[i] != 1) strides[lead + i] = own[i];
  }
  std::vector<double> values(static_cast<size_t>(count_of(dims)));
  Dims index(dims.size(), 0);
  int64_t at = 0;
  for (double& value : values) {
    value = array[at];
    for (size_t axis = dims.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < dims[axis]) break;
      at -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return make_array(dims, array.type, std::move(values));
}

Array combine(const Array& a, const Array& b, ElementType type,
              const std::function<double(double, double)>& f) {
  const Dims dims = broadcast_dims(a.dims, b.dims);
  const Array left = spread(a, dims);
  const Array right = spread(b, dims);
  std::vector<double> values(static_cast<size_t>(count_of(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = f((*left.data)[i], (*right.data)[i]);
  return make_array(dims, type, std::move(values));
}

}  // namespace tamis::onnx
