// Small tensors of any rank, computed with while a model is read.
//
// Is: dims and values, all kept as double, and the shapes of broadcasting. Is not: for weights,
// which stay in their file (known.h), or for speed. May use: formats.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

using Dims = std::vector<int64_t>;

/// Values beyond this count are no ids, sizes or masks: 1,024 tokens squared, 32 times.
inline constexpr int64_t kMaxElements = int64_t{1} << 25;

/// A value type; copies share the values. INT64 values beyond 2^53 are rounded.
struct Array {
  Dims dims;
  ElementType type = ElementType::kFloat;
  std::shared_ptr<const std::vector<double>> data;

  [[nodiscard]] int64_t elements() const { return static_cast<int64_t>(data->size()); }
  [[nodiscard]] double operator[](int64_t i) const { return (*data)[static_cast<size_t>(i)]; }
  [[nodiscard]] std::vector<int64_t> integers() const;
};

[[nodiscard]] Array make_array(Dims dims, ElementType type, std::vector<double> values);
[[nodiscard]] Array make_vector(std::span<const int64_t> values);

/// The values of a constant. Throws Error{kUnsupported} for strings, complex numbers, and unsigned
/// integers of 32 and 64 bits.
[[nodiscard]] Array array_of(const TensorProto& tensor);

/// `count` integers of 1, 2, 4 or 8 `bits`, as many to a byte as it holds, the lowest bits first;
/// `bytes` has them all.
[[nodiscard]] std::vector<int32_t> unpacked_integers(std::span<const std::byte> bytes, int bits,
                                                     int64_t count, bool has_sign);

[[nodiscard]] bool is_float(ElementType type);

struct IntegerRange {
  double least = 0;
  double most = 0;
};
/// Of the integers that QuantizeLinear makes; nothing: it makes none of the type.
[[nodiscard]] std::optional<IntegerRange> integer_range(ElementType type);

/// The product. Throws Error{kUnsupported} over kMaxElements or if a size is negative.
[[nodiscard]] int64_t count_of(std::span<const int64_t> dims);

/// The dims that both broadcast to, as in numpy. Throws Error{kCorruptData} if there are none.
[[nodiscard]] Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b);

/// The array spread to `dims`, which it broadcasts to.
[[nodiscard]] Array spread(const Array& array, const Dims& dims);

/// f of each pair, spread to each other's dims.
[[nodiscard]] Array combine(const Array& a, const Array& b, ElementType type,
                            const std::function<double(double, double)>& f);

/// Strides of row-major dims, in elements.
[[nodiscard]] Dims strides_of(std::span<const int64_t> dims);

/// The axis counted from the front. Throws Error{kCorruptData} if the rank has none such.
[[nodiscard]] size_t axis_of(int64_t axis, size_t rank);

}  // namespace tamis::onnx
