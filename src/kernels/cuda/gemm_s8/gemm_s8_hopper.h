// gemm_s8 for cards of compute capability 9.0: the product of gemm_s8.h on wgmma.
//
// Is: what that kernel is given, and its tiles. Is not: the kernel. May use: gemm_s8.h.
//
// Maths: the same, with all bits of the other tiles.
#pragma once

#include "kernels/cuda/gemm_s8/gemm_s8.h"
#include "kernels/cuda/tensor_map.h"

namespace tamis::cuda {

/// A block's tile of `rows` x `columns` in steps of `depth` bytes of k, and stages of the ring. Two
/// warpgroups multiply 64 rows each; one of their threads fetches.
struct HopperTile {
  int columns;
  int stages;

  static constexpr int rows = 128;
  static constexpr int depth = 128;
  [[nodiscard]] constexpr int threads() const { return 256; }
  [[nodiscard]] constexpr int stage_bytes() const { return (rows + columns) * depth; }
  /// Stages, two barriers of each, and three numbers of each column.
  [[nodiscard]] constexpr int shared_bytes() const {
    return stages * (stage_bytes() + 16) + columns * 12;
  }
};
/// Two blocks a multiprocessor, so that one's epilogue hides behind the other's products.
inline constexpr HopperTile kHopperTile = {128, 3};

/// `a` is a map of product.a's rows in boxes of HopperTile::rows rows, `w` one of product.w's n
/// rows in boxes of the tile's columns; both of lda, or ldw, bytes in boxes of HopperTile::depth
/// bytes, with the 128-byte swizzle. Rows of `a` behind the last may be anything. Launch as
/// gemm_s8.h says.
struct GemmS8HopperParams {
  TensorMap a;
  TensorMap w;
  GemmS8Params product;
};

}  // namespace tamis::cuda
