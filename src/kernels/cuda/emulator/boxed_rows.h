// Rows of bytes that are copied box by box, and how a TensorMap of the emulator says so.
//
// Is: what the double of the driver writes and copy_box() reads; a card's map has words of its own.
// For tests only.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/cuda/tensor_map.h"

namespace tamis::cuda::emulator {

struct BoxedRows {
  const unsigned char* data = nullptr;
  uint64_t row_bytes = 0;  ///< columns behind them, and rows behind the last, are zeros
  uint64_t rows = 0;
  uint64_t stride = 0;
  uint32_t box_bytes = 0;  ///< of a box's row
  uint32_t box_rows = 0;
  /// Whether chunk c of 16 bytes of row r lies at c ^ r % 8, which boxes of 128 bytes have.
  bool swizzled = false;

  [[nodiscard]] uint32_t bytes() const { return box_bytes * box_rows; }
};

/// Nothing if a card's copying unit would not take it: addresses and strides that are no multiples
/// of 16, boxes that are empty, over 256 rows, not of whole chunks, or swizzled and not 128 bytes.
[[nodiscard]] std::optional<TensorMap> make_map(const BoxedRows& rows);
/// Nothing if make_map() did not write it.
[[nodiscard]] std::optional<BoxedRows> read_map(const TensorMap& map);

}  // namespace tamis::cuda::emulator
