#include "onnx/known.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/stored_tensor.h"
#include "tensor/arena.h"

namespace tamis::onnx {

namespace {

[[noreturn]] void fail_not_finite(const std::string& name, int64_t element,
                                  const std::string& what) {
  fail(ErrorCode::kCorruptData, what, ": constant \"", name, "\" holds NaN or infinity at element ",
       element, "; weights must be finite");
}

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

// Memory of its own, not zeroed first: clearing pages costs as much as turning what goes there.
std::shared_ptr<const Tensor> own_floats(const Shape& shape,
                                         std::shared_ptr<AlignedBuffer> memory) {
  const TensorView view(DType::kF32, shape, memory->data());
  return std::make_shared<const Tensor>(view, std::move(memory));
}

// Floats [rows, columns], wherever they begin, as [columns, rows]. In blocks that stay in the
// cache, written line by line: a weight of 4 MB is read and written once, and columns a power of
// two apart do not push each other out.
std::shared_ptr<const Tensor> turned_floats(const std::byte* bytes, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = 32;
  auto memory =
      std::make_shared<AlignedBuffer>(static_cast<size_t>(rows * columns) * sizeof(float));
  auto* const to = reinterpret_cast<float*>(memory->data());
  const auto from = [bytes, columns](int64_t r, int64_t c) {
    float value;
    std::memcpy(&value, bytes + static_cast<size_t>(r * columns + c) * sizeof(float),
                sizeof(float));
    return value;
  };
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      for (int64_t c = c0; c < std::min(columns, c0 + kBlock); ++c) {
        for (int64_t r = r0; r < std::min(rows, r0 + kBlock); ++r) to[c * rows + r] = from(r, c);
      }
    }
  }
  return own_floats(Shape{columns, rows}, std::move(memory));
}

// The same of an initializer, whose bytes a file puts anywhere: they are not copied before.
std::shared_ptr<const Tensor> turned_initializer(const TensorProto& proto,
                                                 const std::string& what) {
  const int64_t rows = proto.dims[0];
  const int64_t columns = proto.dims[1];
  auto turned = turned_floats(proto.bytes.data(), rows, columns);
  if (const auto bad = first_non_finite(turned->view())) {
    fail_not_finite(proto.name, *bad % rows * columns + *bad / rows, what);
  }
  return turned;
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
  if (const auto bad = first_non_finite(tensor->view())) fail_not_finite(name, *bad, what);
  return tensor;
}

template <typename T>
std::vector<int32_t> widened(std::span<const std::byte> bytes) {
  std::vector<int32_t> integers(bytes.size() / sizeof(T));
  for (size_t i = 0; i < integers.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    integers[i] = value;
  }
  return integers;
}

// The constant's integers, from where they lie.
std::vector<int32_t> integers_of(const Known& known, const std::string& what) {
  const ElementType type = known.type();
  if (!integer_range(type)) {
    fail(ErrorCode::kUnsupported, what, ": constant \"", known.name(), "\" of ",
         element_type_name(type),
         "; INT32, and INT16, INT8 and INT4 with and without a sign are accepted");
  }
  const TensorProto* tensor = known.tensor();
  if (tensor == nullptr || known.is_turned()) {
    const Array& array = known.at(0);
    return {array.data->begin(), array.data->end()};
  }
  switch (type) {
    case ElementType::kInt8:
      return widened<int8_t>(tensor->bytes);
    case ElementType::kUint8:
      return widened<uint8_t>(tensor->bytes);
    case ElementType::kInt16:
      return widened<int16_t>(tensor->bytes);
    case ElementType::kUint16:
      return widened<uint16_t>(tensor->bytes);
    case ElementType::kInt32:
      return widened<int32_t>(tensor->bytes);
    default:
      return unpacked_integers(tensor->bytes, 4, checked_elements(tensor->dims).value_or(0),
                               type == ElementType::kInt4);
  }
}

// Scales or zero points as a grid: how many indices of the integers' axes share one.
struct Grid {
  std::vector<float> values;
  int64_t outer = 1;  // indices in front of the axis, 1 where they share all
  int64_t size = 1;   // along the axis
  int64_t inner = 1;  // behind it

  [[nodiscard]] const float* line(int64_t before, int64_t along) const {
    const int64_t row = (outer == 1 ? 0 : before) * size + (size == 1 ? 0 : along);
    return values.data() + row * inner;
  }
};

// A number for all, for each index of the axis, or for each block of each line along it.
Grid grid_of(const Known& parameter, const Dims& dims, size_t at, int64_t block,
             const std::string& what) {
  const Array& array = parameter.at(0);
  Grid grid = {{array.data->begin(), array.data->end()}};
  if (array.elements() == 1) return grid;
  const int64_t size = dims[at];
  Dims blocks = dims;
  blocks[at] = block == 0 ? size : size / block + (size % block == 0 ? 0 : 1);
  grid.size = blocks[at];
  if (block == 0 && array.dims.size() == 1 && array.elements() == size) return grid;
  if (block > 0 && array.dims == blocks) {
    for (size_t i = 0; i < dims.size(); ++i) {
      if (i != at) (i < at ? grid.outer : grid.inner) *= dims[i];
    }
    return grid;
  }
  fail(ErrorCode::kUnsupported, what, ": \"", parameter.name(), "\" has ", array.elements(),
       " numbers ", sizes_to_string(array.dims), "; accepted are one, and one for each ",
       block == 0 ? cat("of ", size) : cat("block of ", block, ": ", sizes_to_string(blocks)));
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
                                         const Known* zero, const ScaleAxis& axis,
                                         const std::string& what) {
  for (const Known* part : {&integers, &scale, zero}) {
    if (part == nullptr || part->is_constant()) continue;
    fail(ErrorCode::kUnsupported, what, ": \"", part->name(),
         "\" depends on ids and sizes; constant integers, scales and zero points are expected");
  }
  const Dims dims = integers.dims();
  const bool one = count_of(scale.dims()) == 1 && (zero == nullptr || count_of(zero->dims()) == 1);
  const size_t at = one && dims.empty() ? 0 : axis_of(one ? 0 : axis.axis, dims.size());
  const Grid scales = grid_of(scale, dims, at, axis.block, what);
  const Grid zeros = zero == nullptr ? Grid{{0}} : grid_of(*zero, dims, at, axis.block, what);
  const std::vector<int32_t> values = integers_of(integers, what);
  const int64_t size = dims.empty() ? 1 : dims[at];
  int64_t inner = 1;
  for (size_t i = at + 1; i < dims.size(); ++i) inner *= dims[i];
  const int64_t block = std::max<int64_t>(1, axis.block);
  std::vector<float> floats(values.size());
  size_t i = 0;
  for (int64_t before = 0; i < values.size(); ++before) {
    for (int64_t along = 0; along < size; ++along) {
      const float* const scale_of = scales.line(before, along / block);
      const float* const zero_of = zeros.line(before, along / block);
      for (int64_t behind = 0; behind < inner; ++behind, ++i) {
        floats[i] = (static_cast<float>(values[i]) - zero_of[zeros.inner == 1 ? 0 : behind]) *
                    scale_of[scales.inner == 1 ? 0 : behind];
      }
    }
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
  const TensorProto* const proto = known.tensor();
  const bool turns = turn != (proto != nullptr && known.is_turned());
  if (turns && proto != nullptr && proto->type == ElementType::kFloat) {
    return turned_initializer(*proto, what);
  }
  const std::shared_ptr<const Tensor> tensor =
      proto != nullptr ? stored_floats(*proto, what)
                       : computed_floats(known.at(0), known.name(), what);
  if (!turns) return tensor;
  return turned_floats(tensor->view().data(), tensor->shape()[0], tensor->shape()[1]);
}

}  // namespace tamis::onnx
