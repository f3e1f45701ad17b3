// NumPy's .npy files.
//
// Is: the header of arrays, a reader of the dtypes that DType has. Is not: .npz, Fortran
// order, objects. May use: base, tensor. Source:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace tamis {

/// The bytes before the values of an array of that shape, a multiple of 64 long: for who writes the
/// values as they come. `dtype` is one that read_npy() takes.
[[nodiscard]] std::string npy_header(const Shape& shape, DType dtype = DType::kF32);

/// Reads an array of rank 4 or less. Throws Error naming file: kCorruptData, kUnsupported (dtype,
/// Fortran order), and what read_file() throws.
[[nodiscard]] Tensor read_npy(const std::filesystem::path& path);

/// The same from bytes.
[[nodiscard]] Tensor parse_npy(std::span<const std::byte> bytes, std::string_view source);

}  // namespace tamis
