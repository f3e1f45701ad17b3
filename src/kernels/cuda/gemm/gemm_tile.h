// How a matrix product is cut, and what follows its sums.
//
// Is: tiles, launch shapes and the epilogue's operands, shared by the GEMM families. Is not: a
// kernel. May use: base/activation.h.
#pragma once

#include <cstdint>

#include "base/activation.h"
#include "kernels/cuda/values.h"

namespace tamis::cuda {

/// A block's tile of rows, columns and bytes of k, a warp's part of it, stages of the ring, and
/// warps that share the bytes of k.
struct GemmTile {
  int rows;
  int columns;
  int depth;
  int warp_rows;
  int warp_columns;
  int stages;
  int split;

  [[nodiscard]] constexpr int threads() const {
    return rows / warp_rows * (columns / warp_columns) * split * 32;
  }
  [[nodiscard]] constexpr int shared_bytes() const { return stages * (rows + columns) * depth; }
};
inline constexpr GemmTile kLargeTile = {128, 128, 64, 64, 32, 3, 1};
/// The same with half as many warps, each of which reads a third less of shared memory for as many
/// products: for cards whose products would wait for it, those of capability 8.0, and 9.0 where the
/// driver makes the code of PTX (gemm_s8_hopper.h).
inline constexpr GemmTile kLargeFewTile = {128, 128, 64, 64, 64, 4, 1};
inline constexpr GemmTile kMiddleTile = {64, 64, 128, 32, 32, 3, 1};
/// For a few rows. Sums of integers may be split along k without changing a bit; others may not.
inline constexpr GemmTile kSmallTile = {16, 64, 128, 16, 64, 3, 4};

/// Rows of operands begin at multiples of so many bytes and are padded to them, so that the loop
/// over k needs no check: the depth of any tile divides it.
inline constexpr int kGemmRowBytes = 128;

/// What an epilogue is compiled for. kNone and kShortGelu take even n, and kShortGelu no residual;
/// all else, and the rare activations, share kAny.
enum class GemmActivation { kNone, kShortGelu, kAny };

/// activation(y) + residual. Device memory.
struct GemmEpilogue {
  int n = 0;
  Activation activation = Activation::kNone;
  const float* short_gelu = nullptr;  // [49], kernels/reference/short_gelu.h; null: exact GELU
  const float* bias = nullptr;        // [n]
  const float* residual = nullptr;    // [m, n], or null
  MutableValues c;                    // [m, n]; aligned to 8 bytes
};

}  // namespace tamis::cuda
