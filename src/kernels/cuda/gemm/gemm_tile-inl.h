// Sums of products of a tile on mma.sync, with a ring of cp.async stages.
//
// Is: the loop that gemm_s8 and gemm_b16 share; both read 16 bytes of k a lane and instruction, so
// that the layout of fragments is the same. For kernels, included after device.h. Is not: an
// epilogue's arithmetic.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/gemm/gemm_tile.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

/// Rows of one operand: `rows` of `stride` bytes, a multiple of 16.
struct GemmOperand {
  const uint8_t* bytes;
  int rows;
  int stride;
};

/// Product::Sum is int32_t or float; Product::multiply() an mma of 32 bytes of k.
template <GemmTile kTile, typename Product>
class TileProduct {
  static constexpr int kWarpsAcross = kTile.columns / kTile.warp_columns;
  static constexpr int kStageBytes = (kTile.rows + kTile.columns) * kTile.depth;
  static constexpr int kChunks = kTile.depth / 16;  // a row
  static constexpr int kBlocksDown = kTile.warp_rows / 16;
  static constexpr int kBlocksAcross = kTile.warp_columns / 8;
  static constexpr int kThreads = kTile.threads();
  static_assert(kTile.split == 1 || kWarpsAcross * (kTile.rows / kTile.warp_rows) == 1);
  static_assert(kBlocksAcross % kTile.split == 0);
  static_assert(kTile.split == 1 ||
                kTile.split * kBlocksDown * kBlocksAcross * 512 <= kTile.shared_bytes());

 public:
  using Sum = typename Product::Sum;

  TAMIS_DEVICE TileProduct()
      : shared_(shared_base()),
        lane_(thread_x() % 32),
        part_(thread_x() / 32 % kTile.split),
        warp_row_(thread_x() / 32 / kTile.split / kWarpsAcross * kTile.warp_rows),
        warp_column_(thread_x() / 32 / kTile.split % kWarpsAcross * kTile.warp_columns) {
    TAMIS_UNROLL
    for (int i = 0; i < kBlocksDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross; ++j) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) sums_[i][j][r] = 0;
      }
    }
  }

  /// The whole block comes. `bytes` of k.
  TAMIS_DEVICE void multiply(const GemmOperand& a, const GemmOperand& w, int bytes) {
    const int steps = (bytes + kTile.depth - 1) / kTile.depth;
    TAMIS_UNROLL
    for (int s = 0; s < kTile.stages - 1; ++s) {
      if (s < steps) fetch_stage(a, w, s, s);
      copy_commit();
    }
    int read = 0;
    int write = kTile.stages - 1;
    for (int step = 0; step < steps; ++step) {
      copy_wait<kTile.stages - 2>();
      sync_block();
      if (step + kTile.stages - 1 < steps) fetch_stage(a, w, write, step + kTile.stages - 1);
      copy_commit();
      multiply_stage(shared_ + static_cast<uint32_t>(read * kStageBytes));
      read = read + 1 == kTile.stages ? 0 : read + 1;
      write = write + 1 == kTile.stages ? 0 : write + 1;
    }
    if (kTile.split > 1) add_parts();
  }

  /// Calls each(row, column, first, second) for the pairs of neighbors that this lane has in rows
  /// below m and columns below n. Columns outside, so that what belongs to them is loaded once.
  template <typename Each>
  TAMIS_DEVICE void for_each_pair(int m, int n, const Each& each) const {
    constexpr int kOwn = kBlocksAcross / kTile.split;
    TAMIS_UNROLL
    for (int j = 0; j < kBlocksAcross; ++j) {
      if (j / kOwn != part_) continue;
      // A lane holds rows lane / 4 and 8 below, columns 2 (lane % 4) and the next, of each 16 x 8.
      const int column = block_x() * kTile.columns + warp_column_ + j * 8 + lane_ % 4 * 2;
      if (column >= n) continue;
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        TAMIS_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int row = block_y() * kTile.rows + warp_row_ + i * 16 + half * 8 + lane_ / 4;
          if (row >= m) continue;
          each(row, column, sums_[i][j][half * 2], sums_[i][j][half * 2 + 1]);
        }
      }
    }
  }

 private:
  // Eight rows that ldmatrix reads at once lie in eight groups of banks.
  static TAMIS_DEVICE uint32_t place(int row, int chunk) {
    const int mixed = kTile.depth == 64 ? chunk ^ (row >> 1 & 3) : chunk ^ (row & 7);
    return static_cast<uint32_t>(row * kTile.depth + mixed * 16);
  }

  template <int kRows>
  static TAMIS_DEVICE void fetch(const GemmOperand& from, int first, uint32_t to, int k0) {
    TAMIS_UNROLL
    for (int i = 0; i < kRows * kChunks / kThreads; ++i) {
      const int id = thread_x() + i * kThreads;
      const int row = id / kChunks;
      const int at = k0 + id % kChunks * 16;
      const bool there = first + row < from.rows && at < from.stride;
      const int64_t begin = static_cast<int64_t>(first + row) * from.stride + at;
      copy_async(to + place(row, id % kChunks), there ? from.bytes + begin : from.bytes,
                 there ? 16 : 0);
    }
  }

  TAMIS_DEVICE void fetch_stage(const GemmOperand& a, const GemmOperand& w, int stage,
                                int step) const {
    const uint32_t to = shared_ + static_cast<uint32_t>(stage * kStageBytes);
    fetch<kTile.rows>(a, block_y() * kTile.rows, to, step * kTile.depth);
    fetch<kTile.columns>(w, block_x() * kTile.columns, to + kTile.rows * kTile.depth,
                         step * kTile.depth);
  }

  TAMIS_DEVICE void multiply_stage(uint32_t a0) {
    const uint32_t b0 = a0 + kTile.rows * kTile.depth;
    TAMIS_UNROLL
    for (int turn = 0; turn < kTile.depth / 32 / kTile.split; ++turn) {
      const int kk = turn * kTile.split + part_;
      uint32_t a[kBlocksDown][4];
      uint32_t b[kBlocksAcross / 2][4];
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        load_matrices(a[i], a0 + place(warp_row_ + i * 16 + lane_ % 16, kk * 2 + lane_ / 16));
      }
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross / 2; ++j) {
        const int row = warp_column_ + j * 16 + lane_ % 8 + lane_ / 16 * 8;
        load_matrices(b[j], b0 + place(row, kk * 2 + lane_ / 8 % 2));
      }
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        TAMIS_UNROLL
        for (int j = 0; j < kBlocksAcross; ++j) {
          Product::multiply(sums_[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }

  [[nodiscard]] TAMIS_DEVICE uint32_t sum_place(int part, int block, int r) const {
    const int at = ((part * kBlocksDown * kBlocksAcross + block) * 4 + r) * 32 + lane_;
    return shared_ + static_cast<uint32_t>(at) * 4;
  }

  // Each warp adds up the blocks that it will finish; stages are read no more by then.
  TAMIS_DEVICE void add_parts() {
    constexpr int kOwn = kBlocksAcross / kTile.split;
    copy_wait<0>();
    sync_block();
    for_each_block([&](int i, int j) {
      if (j / kOwn == part_) return;
      TAMIS_UNROLL
      for (int r = 0; r < 4; ++r) {
        store_shared32(sum_place(part_, i * kBlocksAcross + j, r),
                       static_cast<uint32_t>(sums_[i][j][r]));
      }
    });
    sync_block();
    for_each_block([&](int i, int j) {
      if (j / kOwn != part_) return;
      for (int part = 0; part < kTile.split; ++part) {
        if (part == part_) continue;
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) {
          sums_[i][j][r] +=
              static_cast<Sum>(load_shared32(sum_place(part, i * kBlocksAcross + j, r)));
        }
      }
    });
  }

  template <typename Each>
  static TAMIS_DEVICE void for_each_block(const Each& each) {
    TAMIS_UNROLL
    for (int i = 0; i < kBlocksDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross; ++j) each(i, j);
    }
  }

  uint32_t shared_;
  int lane_;
  int part_;  // of k
  int warp_row_;
  int warp_column_;
  Sum sums_[kBlocksDown][kBlocksAcross][4];
};

template <GemmActivation kActivation>
TAMIS_DEVICE float gemm_activate(const GemmEpilogue& p, float y) {
  if constexpr (kActivation == GemmActivation::kNone) return y;
  if constexpr (kActivation == GemmActivation::kShortGelu) return short_gelu_of(y, p.short_gelu);
  return activate(p.activation, y, p.short_gelu);
}

/// Stores what the products of a row and two columns became; the second may be behind the last.
template <GemmActivation kActivation>
TAMIS_DEVICE void gemm_finish_pair(const GemmEpilogue& p, int row, int column, float first,
                                   float second) {
  float y0 = gemm_activate<kActivation>(p, first);
  const int64_t at = static_cast<int64_t>(row) * p.n + column;
  if (p.n % 2 != 0) {
    if (p.residual != nullptr) y0 = add_rn(y0, load_global(p.residual + at));
    store_value(p.c, at, y0);
    if (column + 1 >= p.n) return;
    float y1 = gemm_activate<kActivation>(p, second);
    if (p.residual != nullptr) y1 = add_rn(y1, load_global(p.residual + at + 1));
    return store_value(p.c, at + 1, y1);
  }
  float y1 = gemm_activate<kActivation>(p, second);
  if (p.residual != nullptr) {
    const Vec2 more = load_global(reinterpret_cast<const Vec2*>(p.residual + at));
    y0 = add_rn(y0, float_of(more.x));
    y1 = add_rn(y1, float_of(more.y));
  }
  store_two(p.c, at, y0, y1);
}

}  // namespace tamis::cuda::device
