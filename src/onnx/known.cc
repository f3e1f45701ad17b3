#include "onnx/known.h"

#include <algorithm>

#include "base/error.h"
#include "formats/stored_tensor.h"

namespace tamis::onnx {

namespace {

Array turned_array(const Array& array) {
  const int64_t rows = array.dims[0];
  const int64_t columns = array.dims[1];
  std::vector<double> values(array.data->size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      values[static_cast<size_t>(c * rows + r)] = array[r * columns + c];
    }
  }
  return make_array({columns, rows}, array.type, std::move(values));
}

// In blocks that stay in the cache, written line by line: a weight of 4 MB is read and written
// once, and columns a power of two apart do not push each other out.
std::shared_ptr<const Tensor> turned_tensor(const Tensor& tensor) {
  constexpr int64_t kBlock = 32;
  const int64_t rows = tensor.shape()[0];
  const int64_t columns = tensor.shape()[1];
  auto result = std::make_shared<Tensor>(DType::kF32, Shape{columns, rows});
  const auto from = tensor.as<float>();
  const auto to = result->mutable_as<float>();
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      for (int64_t c = c0; c < std::min(columns, c0 + kBlock); ++c) {
        for (int64_t r = r0; r < std::min(rows, r0 + kBlock); ++r) {
          to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
        }
      }
    }
  }
  return result;
}

// The initializer as float32: its own bytes, or a converted copy.
std::shared_ptr<const Tensor> stored_floats(const TensorProto& proto, const std::string& what) {
  StoredTensor stored;
  stored.name = proto.name;
  stored.source = what;
  stored.dtype = element_type_name(proto.type);
  stored.sizes = proto.dims;
  attach_bytes(stored, {dtype_of(proto.type), proto.bytes, proto.keeper});
  require_finite(stored);
  if (stored.tensor->dtype() == DType::kF32) return stored.tensor;
  return std::make_shared<const Tensor>(to_float32(stored.tensor->view()));
}

std::shared_ptr<const Tensor> computed_floats(const Array& array, const std::string& name,
                                              const std::string& what) {
  if (array.dims.size() > Shape::kMaxRank) {
    fail(ErrorCode::kUnsupported, what, ": constant \"", name, "\" of rank ", array.dims.size());
  }
  std::vector<float> values(array.data->begin(), array.data->end());
  auto tensor = std::make_shared<const Tensor>(
      Tensor::from(Shape{std::span<const int64_t>(array.dims)}, values));
  if (const auto bad = first_non_finite(tensor->view())) {
    fail(ErrorCode::kCorruptData, what, ": constant \"", name,
         "\" holds NaN or infinity at element ", *bad, "; weights must be finite");
  }
  return tensor;
}

// The constant's integers, from where they lie.
std::vector<int32_t> integers_of(const Known& known, const std::string& what) {
  const ElementType type = known.type();
  if (type != ElementType::kInt8 && type != ElementType::kUint8 && type != ElementType::kInt32) {
    fail(ErrorCode::kUnsupported, what, ": constant \"", known.name(), "\" of ",
         element_type_name(type), "; INT8, UINT8 and INT32 are accepted");
  }
  const TensorProto* tensor = known.tensor();
  if (tensor == nullptr || known.is_turned() || type == ElementType::kInt32) {
    const Array& array = known.at(0);
    return {array.data->begin(), array.data->end()};
  }
  std::vector<int32_t> integers(tensor->bytes.size());
  for (size_t i = 0; i < integers.size(); ++i) {
    const auto byte = static_cast<uint8_t>(tensor->bytes[i]);
    integers[i] = type == ElementType::kUint8 ? byte : static_cast<int8_t>(byte);
  }
  return integers;
}

// A number for each index of the axis.
std::vector<float> along_axis(const Known* parameter, int64_t size, float otherwise,
                              const std::string& what) {
  std::vector<float> values(static_cast<size_t>(size), otherwise);
  if (parameter == nullptr) return values;
  const Array& array = parameter->at(0);
  if (array.elements() != 1 && (array.elements() != size || array.dims.size() != 1)) {
    fail(ErrorCode::kUnsupported, what, ": \"", parameter->name(), "\" has ", array.elements(),
         " numbers; accepted are one, and one for each of ", size);
  }
  for (int64_t i = 0; i < size; ++i) {
    values[static_cast<size_t>(i)] = static_cast<float>(array[array.elements() == 1 ? 0 : i]);
  }
  return values;
}

}  // namespace

std::shared_ptr<const Known> computed_constant(std::string name, Dims dims,
                                               std::vector<float> values) {
  const auto floats = std::make_shared<const std::vector<float>>(std::move(values));
  auto tensor = std::make_shared<TensorProto>();
  tensor->name = std::move(name);
  tensor->dims = std::move(dims);
  tensor->bytes = std::as_bytes(std::span(*floats));
  tensor->keeper = floats;
  return std::make_shared<const Known>(std::move(tensor));
}

std::shared_ptr<const Known> dequantized(const Known& integers, const Known& scale,
                                         const Known* zero, int64_t axis, const std::string& what) {
  for (const Known* part : {&integers, &scale, zero}) {
    if (part == nullptr || part->is_constant()) continue;
    fail(ErrorCode::kUnsupported, what, ": \"", part->name(),
         "\" depends on ids and sizes; constant integers, scales and zero points are expected");
  }
  const Dims dims = integers.dims();
  const bool one = count_of(scale.dims()) == 1 && (zero == nullptr || count_of(zero->dims()) == 1);
  const size_t at = one && dims.empty() ? 0 : axis_of(one ? 0 : axis, dims.size());
  const int64_t size = dims.empty() ? 1 : dims[at];
  int64_t inner = 1;
  for (size_t i = at + 1; i < dims.size(); ++i) inner *= dims[i];
  const std::vector<float> scales = along_axis(&scale, size, 1, what);
  const std::vector<float> zeros = along_axis(zero, size, 0, what);
  const std::vector<int32_t> values = integers_of(integers, what);
  std::vector<float> floats(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<size_t>(static_cast<int64_t>(i) / inner % size);
    floats[i] = (static_cast<float>(values[i]) - zeros[index]) * scales[index];
  }
  return computed_constant(integers.name(), dims, std::move(floats));
}

Known Known::turned(const Known& other) {
  Known result = other;
  result.arrays_.clear();
  result.turned_ = !other.turned_;
  if (other.tensor_ == nullptr) result.arrays_.push_back(turned_array(other.at(0)));
  return result;
}

Dims Known::dims(size_t probe) const {
  if (!arrays_.empty()) return is_constant() ? arrays_[0].dims : arrays_[probe].dims;
  Dims dims = tensor_->dims;
  if (turned_) std::reverse(dims.begin(), dims.end());
  return dims;
}

ElementType Known::type() const { return arrays_.empty() ? tensor_->type : arrays_[0].type; }

const Array& Known::at(size_t probe) const {
  if (arrays_.empty()) {
    if (tensor_ == nullptr) fail(ErrorCode::kInternal, name_, ": neither stored nor computed");
    const Array array = array_of(*tensor_);
    arrays_.push_back(turned_ ? turned_array(array) : array);
  }
  return is_constant() ? arrays_[0] : arrays_[probe];
}

std::vector<Array> Known::all() const {
  std::vector<Array> arrays;
  for (size_t p = 0; p < kProbes; ++p) arrays.push_back(at(p));
  return arrays;
}

std::optional<double> Known::scalar() const {
  for (size_t p = 0; p < (is_constant() ? 1 : kProbes); ++p) {
    if (count_of(dims(p)) != 1 || at(p)[0] != at(0)[0]) return std::nullopt;
  }
  return at(0)[0];
}

std::optional<int64_t> Known::vector_size() const {
  if (!is_constant()) return std::nullopt;
  const Dims sizes = dims();
  if (sizes.empty()) return std::nullopt;
  const bool one_row =
      std::all_of(sizes.begin(), sizes.end() - 1, [](int64_t n) { return n == 1; });
  return one_row ? std::optional(sizes.back()) : std::nullopt;
}

std::shared_ptr<const Tensor> float_tensor(const Known& known, bool turn, const std::string& what) {
  if (!is_float(known.type())) {
    fail(ErrorCode::kUnsupported, what, ": constant \"", known.name(), "\" of ",
         element_type_name(known.type()), "; floats are expected");
  }
  const std::shared_ptr<const Tensor> tensor =
      known.tensor() != nullptr ? stored_floats(*known.tensor(), what)
                                : computed_floats(known.at(0), known.name(), what);
  const bool turned = known.tensor() != nullptr && known.is_turned();
  return turn != turned ? turned_tensor(*tensor) : tensor;
}

}  // namespace tamis::onnx
