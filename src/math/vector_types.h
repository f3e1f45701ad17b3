// Vectors in the forms that stores keep them in: floats, 8 bits a number, one bit a number.
//
// Is: the arithmetic of sentence_transformers.quantization. Is not: texts or their printing. May
// use: nothing.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::math {

enum class VectorType : uint8_t {
  kFloat,    ///< float32
  kInt8,     ///< -128 at the least value of its place, 127 at the greatest
  kUint8,    ///< the same from 0 to 255
  kBinary,   ///< signs, eight to a number, as int8 (ubinary - 128)
  kUbinary,  ///< signs, eight to a byte, the first highest; 1: above 0
};

/// "float", "int8", "uint8", "binary", "ubinary".
[[nodiscard]] std::string_view vector_type_name(VectorType type);
[[nodiscard]] std::optional<VectorType> vector_type_from_name(std::string_view name);

/// The least and the greatest value of each place.
struct VectorRange {
  std::vector<float> least;
  std::vector<float> most;
};

/// Of rows end to end, each `width` long; `rows` is not empty.
[[nodiscard]] VectorRange range_of(std::span<const float> rows, size_t width);

/// The numbers of a vector as `type` has them: -128..127 or 0..255. A value beyond its range is its
/// end, and a place whose range is a point is its least. `range` is read for kInt8 and kUint8, as
/// long as the vector. A vector whose length eight does not divide has zeros behind it in bits. Not
/// for kFloat.
[[nodiscard]] std::vector<int32_t> quantize_vector(std::span<const float> vector, VectorType type,
                                                   const VectorRange& range);

/// The numbers of quantize_vector() as stores keep them, a byte each.
[[nodiscard]] std::string bytes_of(std::span<const int32_t> numbers);

}  // namespace tamis::math
