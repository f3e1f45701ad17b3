// Dense row-major tensors: TensorView borrows, Tensor owns or keeps a mapped file alive.
//
// Is: dtype, shape, bytes. Is not: arithmetic, strides, devices. May use: base.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"

namespace tamis {

/// Up to four sizes, outermost first; rank 0 is a scalar.
class Shape {
 public:
  static constexpr size_t kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);

  [[nodiscard]] size_t rank() const { return rank_; }
  [[nodiscard]] int64_t operator[](size_t axis) const { return sizes_[axis]; }
  [[nodiscard]] std::span<const int64_t> sizes() const { return {sizes_.data(), rank_}; }
  /// The product of the sizes.
  [[nodiscard]] int64_t elements() const;
  /// "[30522, 384]".
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<int64_t, kMaxRank> sizes_ = {};
  size_t rank_ = 0;
};

/// Borrows bytes of a dtype and shape. Copy freely; valid while the owner lives.
class TensorView {
 public:
  TensorView() = default;
  TensorView(DType dtype, const Shape& shape, const void* data)
      : data_(static_cast<const std::byte*>(data)), shape_(shape), dtype_(dtype) {}

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] int64_t elements() const { return shape_.elements(); }
  [[nodiscard]] size_t size_bytes() const {
    return static_cast<size_t>(elements()) * dtype_bytes(dtype_);
  }

  /// The elements as T; T must be the C++ type of the dtype (uint16_t for F16 and BF16).
  template <typename T>
  [[nodiscard]] std::span<const T> as() const {
    TAMIS_CHECK(sizeof(T) == dtype_bytes(dtype_));
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(elements())};
  }

 private:
  const std::byte* data_ = nullptr;
  Shape shape_;
  DType dtype_ = DType::kF32;
};

/// Owns its bytes: memory aligned to 64, or a slice of something kept alive (a mapped file).
/// Immutable when shared as shared_ptr<const Tensor>, and then thread-safe.
class Tensor {
 public:
  Tensor() = default;
  /// Zeroed memory. Throws kOutOfMemory.
  Tensor(DType dtype, const Shape& shape);
  /// A slice: `view`'s bytes live as long as `keeper`.
  Tensor(TensorView view, std::shared_ptr<const void> keeper);

  /// A float32 tensor holding a copy of the values.
  [[nodiscard]] static Tensor from(const Shape& shape, std::span<const float> values);

  [[nodiscard]] const TensorView& view() const { return view_; }
  [[nodiscard]] DType dtype() const { return view_.dtype(); }
  [[nodiscard]] const Shape& shape() const { return view_.shape(); }
  [[nodiscard]] int64_t elements() const { return view_.elements(); }
  [[nodiscard]] size_t size_bytes() const { return view_.size_bytes(); }

  template <typename T>
  [[nodiscard]] std::span<const T> as() const {
    return view_.as<T>();
  }

  /// Rows [begin, end) of the outermost size, without a copy.
  [[nodiscard]] Tensor rows(int64_t begin, int64_t end) const;

  /// Gives the memory back where the bytes are a slice of a mapped file; they are read from it
  /// again when touched. Does nothing to memory of its own.
  void release_pages() const;

  /// Writable elements; only for memory this tensor allocated itself.
  template <typename T>
  [[nodiscard]] std::span<T> mutable_as() {
    TAMIS_CHECK(writable_ && sizeof(T) == dtype_bytes(dtype()));
    return {reinterpret_cast<T*>(const_cast<std::byte*>(view_.data())),
            static_cast<size_t>(elements())};
  }

 private:
  TensorView view_;
  std::shared_ptr<const void> keeper_;
  bool writable_ = false;
};

/// The values as float32: a copy for float32, otherwise converted (F16, BF16 and small integers
/// exactly, F64 and large integers rounded). Throws kUnsupported for BOOL.
[[nodiscard]] Tensor to_float32(const TensorView& tensor);

/// Copies as float32 into `out`, which has tensor.elements() places.
void copy_float32(const TensorView& tensor, std::span<float> out);

}  // namespace tamis
