#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "base/mapped_file.h"
#include "tensor/arena.h"

namespace tamis {

Shape::Shape(std::initializer_list<int64_t> sizes)
    : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) : rank_(sizes.size()) {
  TAMIS_CHECK(rank_ <= kMaxRank);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t size : sizes()) product *= size;
  return product;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (size_t i = 0; i < rank_; ++i) {
    if (i != 0) text += ", ";
    text += cat(sizes_[i]);
  }
  return text + "]";
}

Tensor::Tensor(DType dtype, const Shape& shape) : writable_(true) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * dtype_bytes(dtype);
  auto memory = std::make_shared<AlignedBuffer>(bytes);
  std::memset(memory->data(), 0, bytes);
  view_ = TensorView(dtype, shape, memory->data());
  keeper_ = std::move(memory);
}

Tensor::Tensor(TensorView view, std::shared_ptr<const void> keeper)
    : view_(view), keeper_(std::move(keeper)) {}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  TAMIS_CHECK(shape().rank() > 0 && begin >= 0 && begin <= end && end <= shape()[0]);
  std::array<int64_t, Shape::kMaxRank> sizes = {};
  std::copy(shape().sizes().begin(), shape().sizes().end(), sizes.begin());
  sizes[0] = end - begin;
  const Shape part(std::span<const int64_t>(sizes.data(), shape().rank()));
  const size_t row_bytes = shape()[0] == 0 ? 0 : size_bytes() / static_cast<size_t>(shape()[0]);
  return {TensorView(dtype(), part, view_.data() + row_bytes * static_cast<size_t>(begin)),
          keeper_};
}

void Tensor::release_pages() const {
  if (is_mapped_file(keeper_)) tamis::release_pages({view_.data(), size_bytes()});
}

Tensor Tensor::from(const Shape& shape, std::span<const float> values) {
  Tensor tensor(DType::kF32, shape);
  TAMIS_CHECK(static_cast<int64_t>(values.size()) == shape.elements());
  std::copy(values.begin(), values.end(), tensor.mutable_as<float>().begin());
  return tensor;
}

namespace {

// Mapped files give no alignment, hence memcpy for every element.
template <typename Stored, typename Convert>
void convert_all(const TensorView& tensor, std::span<float> out, Convert convert) {
  const std::byte* in = tensor.data();
  for (float& value : out) {
    Stored stored;
    std::memcpy(&stored, in, sizeof(stored));
    in += sizeof(stored);
    value = convert(stored);
  }
}

template <typename Stored>
void cast_all(const TensorView& tensor, std::span<float> out) {
  convert_all<Stored>(tensor, out, [](Stored stored) { return static_cast<float>(stored); });
}

}  // namespace

void copy_float32(const TensorView& tensor, std::span<float> out) {
  TAMIS_CHECK(static_cast<int64_t>(out.size()) == tensor.elements());
  switch (tensor.dtype()) {
    case DType::kF32:
      if (!out.empty()) std::memcpy(out.data(), tensor.data(), tensor.size_bytes());
      return;
    case DType::kF16:
      return convert_all<uint16_t>(tensor, out, f16_to_float);
    case DType::kBF16:
      return convert_all<uint16_t>(tensor, out, bf16_to_float);
    case DType::kF64:
      return cast_all<double>(tensor, out);
    case DType::kI8:
      return cast_all<int8_t>(tensor, out);
    case DType::kU8:
      return cast_all<uint8_t>(tensor, out);
    case DType::kI32:
      return cast_all<int32_t>(tensor, out);
    case DType::kI64:
      return cast_all<int64_t>(tensor, out);
    case DType::kBool:
      fail(ErrorCode::kUnsupported, "a BOOL tensor has no float values");
  }
}

Tensor to_float32(const TensorView& tensor) {
  Tensor out(DType::kF32, tensor.shape());
  copy_float32(tensor, out.mutable_as<float>());
  return out;
}

}  // namespace tamis
