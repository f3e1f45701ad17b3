// Matrices that kernels copy box by box, as the driver describes them to the card.
//
// Is: the words of CUtensorMap for rows of bytes. Is not: memory. May use: cuda_device.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "device/cuda/cuda_device.h"

namespace tamis::device::cuda {

/// Rows of bytes in device memory; the address and the stride are multiples of 16.
struct BoxedRows {
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t row_bytes = 0;
  int64_t stride = 0;
  int box_rows = 0;  ///< at most 256, of 128 bytes
};

/// For kernels on cards of compute capability 9.0: in boxes the chunks of 16 bytes are mixed by the
/// 128-byte swizzle, and what lies outside the matrix is 0. Throws Error{kUnavailable}: a driver
/// that cannot, or rows that it does not take. Thread-safe.
[[nodiscard]] std::array<uint64_t, 16> map_boxes(const CudaDevice& device, const BoxedRows& rows);

}  // namespace tamis::device::cuda
