// Element types of tensors.
//
// Is: names and sizes. Is not: arithmetic. May use: base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tamis {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI32, kI64, kBool };

/// Bytes of one element.
[[nodiscard]] size_t dtype_bytes(DType dtype);

/// The safetensors name: "F32", "BF16", "I8", "BOOL", ...
[[nodiscard]] std::string_view dtype_name(DType dtype);

/// The type of a safetensors name, nothing if unknown.
[[nodiscard]] std::optional<DType> dtype_from_name(std::string_view name);

/// The DType of a C++ element type; bf16 and f16 are stored as uint16_t and have none.
template <typename T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<float> = DType::kF32;
template <>
inline constexpr DType kDTypeOf<double> = DType::kF64;
template <>
inline constexpr DType kDTypeOf<int8_t> = DType::kI8;
template <>
inline constexpr DType kDTypeOf<uint8_t> = DType::kU8;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <>
inline constexpr DType kDTypeOf<int64_t> = DType::kI64;

}  // namespace tamis
