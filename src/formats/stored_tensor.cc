#include "formats/stored_tensor.h"

#include <cstring>

#include "base/error.h"
#include "tensor/arena.h"

namespace tamis {

namespace {

// Elements looked at together. A fixed count without a branch inside is what compilers vectorise
// at -O2.
constexpr size_t kBlock = 1024;

template <typename Bits>
bool block_has_full_exponent(const Bits* values, Bits exponent) {
  Bits found = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    found |= static_cast<Bits>((values[i] & exponent) == exponent ? 1 : 0);
  }
  return found != 0;
}

// Index of the first element whose exponent bits are all set: that is what NaN and infinity share.
template <typename Bits>
std::optional<int64_t> first_with_full_exponent(std::span<const Bits> values, Bits exponent) {
  size_t start = 0;
  while (values.size() - start >= kBlock &&
         !block_has_full_exponent(values.data() + start, exponent)) {
    start += kBlock;
  }
  for (size_t i = start; i < values.size(); ++i) {
    if ((values[i] & exponent) == exponent) return static_cast<int64_t>(i);
  }
  return std::nullopt;
}

}  // namespace

void attach_bytes(StoredTensor& stored, const StoredBytes& bytes) {
  if (!bytes.dtype || stored.sizes.size() > Shape::kMaxRank) return;
  const Shape shape{std::span<const int64_t>(stored.sizes)};
  const size_t element = dtype_bytes(*bytes.dtype);
  if (reinterpret_cast<uintptr_t>(bytes.bytes.data()) % element == 0) {
    stored.tensor = std::make_shared<const Tensor>(
        TensorView(*bytes.dtype, shape, bytes.bytes.data()), bytes.keeper);
    return;
  }
  auto copy = std::make_shared<AlignedBuffer>(bytes.bytes.size());
  if (!bytes.bytes.empty()) std::memcpy(copy->data(), bytes.bytes.data(), bytes.bytes.size());
  const TensorView view(*bytes.dtype, shape, copy->data());
  stored.tensor = std::make_shared<const Tensor>(view, std::move(copy));
}

const std::shared_ptr<const Tensor>& usable_tensor(const StoredTensor& stored) {
  if (stored.tensor != nullptr) return stored.tensor;
  if (stored.sizes.size() > Shape::kMaxRank) {
    fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", stored.name, "\" has ",
         stored.sizes.size(), " dimensions; at most ", Shape::kMaxRank, " are accepted");
  }
  fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", stored.name, "\" has dtype ",
       stored.dtype, "; accepted are F32, F16, BF16, F64, I8, U8, I32, I64 and BOOL");
}

void require_finite(const StoredTensor& stored) {
  if (const auto bad = first_non_finite(usable_tensor(stored)->view())) {
    fail(ErrorCode::kCorruptData, stored.source, ": tensor \"", stored.name,
         "\" holds NaN or infinity at element ", *bad, "; weights must be finite");
  }
}

std::optional<int64_t> checked_elements(std::span<const int64_t> sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

std::optional<int64_t> first_non_finite(const TensorView& tensor) {
  switch (tensor.dtype()) {
    case DType::kF32:
      return first_with_full_exponent<uint32_t>(tensor.as<uint32_t>(), 0x7f800000u);
    case DType::kF16:
      return first_with_full_exponent<uint16_t>(tensor.as<uint16_t>(), 0x7c00u);
    case DType::kBF16:
      return first_with_full_exponent<uint16_t>(tensor.as<uint16_t>(), 0x7f80u);
    case DType::kF64:
      return first_with_full_exponent<uint64_t>(tensor.as<uint64_t>(), 0x7ff0000000000000u);
    case DType::kI8:
    case DType::kU8:
    case DType::kI32:
    case DType::kI64:
    case DType::kBool:
      return std::nullopt;
  }
  return std::nullopt;
}

void refuse_lfs_pointer(std::span<const std::byte> bytes, std::string_view source) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    fail(ErrorCode::kCorruptData, source,
         ": a Git LFS pointer, not the file itself; fetch it with: git lfs pull");
  }
}

std::string sizes_to_string(std::span<const int64_t> sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) text += cat(i == 0 ? "" : ", ", sizes[i]);
  return text + "]";
}

}  // namespace tamis
