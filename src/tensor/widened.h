// Float constants in the types that checkpoints store them in, read as float32.
//
// Is: which types those are, and their values at the point of use. Is not: arithmetic. May use:
// tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tensor/tensor.h"

namespace tamis {

/// F32, F16 or BF16: weights stay in these as they are stored until an engine packs them.
[[nodiscard]] bool is_stored_float(DType dtype);

/// The tensor itself if it is F32, else its values as float32; pages of a mapped one are given back
/// once they are read.
[[nodiscard]] std::shared_ptr<const Tensor> widened(std::shared_ptr<const Tensor> tensor);

/// One number as F16 or BF16 stores it, to nearest, and back.
[[nodiscard]] uint16_t to_16_bits(float value, DType type);
[[nodiscard]] float from_16_bits(uint16_t bits, DType type);

/// Integers of rows [rows, n] times the scale of each row [rows], into as many floats: the one form
/// in which integers stand for floats.
void multiply_out(std::span<const int8_t> integers, std::span<const float> scales,
                  std::span<float> out);
/// Rows of I8 [rows, n] times their scales F32 [rows], as float32.
[[nodiscard]] Tensor multiplied_out(const Tensor& rows, const Tensor& scales);

}  // namespace tamis
