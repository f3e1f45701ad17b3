// Sums of products of a tile on mma.sync, with a ring of cp.async stages.
//
// Is: the loop that gemm_s8 and gemm_b16 share; both read 16 bytes of k a lane and instruction, so
// that the layout of fragments is the same. For kernels, included after device.h. Is not: an
// epilogue (gemm_results-inl.h).
//
// The loop has little beside copies, ldmatrix and products: a thread keeps a pointer for each of
// its copies and steps them by the tile; rows are tested once, before the loop, and those behind
// the last read the last again; rows are padded, so that k needs no test; and it is unrolled by the
// stages of the ring, so that places in shared memory are constants beside a few registers.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/gemm/gemm_tile.h"

namespace tamis::cuda::device {

/// Rows of one operand: at least one, of `stride` bytes, a multiple of kGemmRowBytes.
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
  static constexpr int kTurns = kTile.depth / 32 / kTile.split;  // of a warp in a stage
  static constexpr int kRowsAtOnce = kThreads / kChunks;         // that the block copies
  static constexpr int kCopiesA = kTile.rows / kRowsAtOnce;
  static constexpr int kCopiesW = kTile.columns / kRowsAtOnce;
  static_assert(kTile.split == 1 || kWarpsAcross * (kTile.rows / kTile.warp_rows) == 1);
  static_assert(kBlocksAcross % kTile.split == 0);
  static_assert(kTile.split == 1 ||
                kTile.split * kBlocksDown * kBlocksAcross * 512 <= kTile.shared_bytes());
  static_assert(kRowsAtOnce % 8 == 0 && kCopiesA * kRowsAtOnce == kTile.rows &&
                kCopiesW * kRowsAtOnce == kTile.columns);
  static_assert(kGemmRowBytes % kTile.depth == 0);

 public:
  using Sum = typename Product::Sum;
  /// Of the tile's 16 x 8 blocks those that a warp has in the end.
  static constexpr int kOwnAcross = kBlocksAcross / kTile.split;

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

  /// The whole block comes. `bytes` of k, at least one.
  TAMIS_DEVICE void multiply(const GemmOperand& a, const GemmOperand& w, int bytes) {
    find_places();
    point_at(a, block_y() * kTile.rows, a_);
    point_at(w, block_x() * kTile.columns, w_);
    multiply_steps((bytes + kTile.depth - 1) / kTile.depth);
    copy_wait<0>();
    sync_block();
    if (kTile.split > 1) add_parts();
  }

  /// Of the 16 x 8 block (i, j) of the warp's own: a lane has rows lane / 4 (r = 0, 1) and 8 below
  /// (2, 3), columns 2 (lane % 4) and the next.
  [[nodiscard]] TAMIS_DEVICE Sum sum(int i, int j, int r) const { return sums_[i][j][r]; }
  /// Row and column of sum(0, 0, 0) in the whole product.
  [[nodiscard]] TAMIS_DEVICE int row() const {
    return block_y() * kTile.rows + warp_row_ + lane_ / 4;
  }
  [[nodiscard]] TAMIS_DEVICE int column() const {
    return block_x() * kTile.columns + warp_column_ + part_ * kOwnAcross * 8 + lane_ % 4 * 2;
  }

 private:
  // Eight rows that ldmatrix reads at once lie in eight groups of banks. Rows that are a multiple
  // of eight apart have the same mix, and so has a chunk's bit the same place: what differs between
  // the blocks and turns of a warp is a constant.
  static TAMIS_DEVICE uint32_t place(int row, int chunk) {
    const int mixed = kTile.depth == 64 ? chunk ^ (row >> 1 & 3) : chunk ^ (row & 7);
    return static_cast<uint32_t>(row * kTile.depth + mixed * 16);
  }
  static constexpr uint32_t kBlockBytes = 16 * kTile.depth;

  TAMIS_DEVICE void find_places() {
    to_ = shared_ + place(thread_x() / kChunks, thread_x() % kChunks);
    TAMIS_UNROLL
    for (int turn = 0; turn < kTurns; ++turn) {
      const int chunk = (turn * kTile.split + part_) * 2;
      a_at_[turn] = shared_ + place(warp_row_ + lane_ % 16, chunk + lane_ / 16);
      w_at_[turn] = shared_ + kTile.rows * kTile.depth +
                    place(warp_column_ + lane_ % 8 + lane_ / 16 * 8, chunk + lane_ / 8 % 2);
    }
  }

  /// Where this thread's copies of a stage begin.
  template <int kCopies>
  static TAMIS_DEVICE void point_at(const GemmOperand& from, int first,
                                    const uint8_t* (&to)[kCopies]) {
    const int last = from.rows - 1;
    TAMIS_UNROLL
    for (int i = 0; i < kCopies; ++i) {
      const int row = first + thread_x() / kChunks + i * kRowsAtOnce;
      to[i] = from.bytes + static_cast<int64_t>(row < last ? row : last) * from.stride +
              thread_x() % kChunks * 16;
    }
  }

  TAMIS_DEVICE void fetch(int stage) const {
    const uint32_t to = to_ + static_cast<uint32_t>(stage * kStageBytes);
    TAMIS_UNROLL
    for (int i = 0; i < kCopiesA; ++i) {
      copy_async(to + static_cast<uint32_t>(i * kRowsAtOnce * kTile.depth), a_[i], 16);
    }
    TAMIS_UNROLL
    for (int i = 0; i < kCopiesW; ++i) {
      copy_async(to + static_cast<uint32_t>((kTile.rows + i * kRowsAtOnce) * kTile.depth), w_[i],
                 16);
    }
  }
  TAMIS_DEVICE void step_pointers() {
    TAMIS_UNROLL
    for (int i = 0; i < kCopiesA; ++i) a_[i] += kTile.depth;
    TAMIS_UNROLL
    for (int i = 0; i < kCopiesW; ++i) w_[i] += kTile.depth;
  }

  TAMIS_DEVICE void multiply_steps(int steps) {
    constexpr int kAhead = kTile.stages - 1;
    TAMIS_UNROLL
    for (int s = 0; s < kAhead; ++s) {
      if (s < steps) fetch(s);
      step_pointers();
      copy_commit();
    }
    for (int left = steps;;) {
      TAMIS_UNROLL
      for (int s = 0; s < kTile.stages; ++s) {
        copy_wait<kTile.stages - 2>();
        sync_block();
        if (left > kAhead) fetch((s + kAhead) % kTile.stages);
        step_pointers();
        copy_commit();
        multiply_stage(static_cast<uint32_t>(s * kStageBytes));
        if (--left == 0) return;
      }
    }
  }

  TAMIS_DEVICE void multiply_stage(uint32_t stage) {
    TAMIS_UNROLL
    for (int turn = 0; turn < kTurns; ++turn) {
      uint32_t a[kBlocksDown][4];
      uint32_t w[kBlocksAcross / 2][4];
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        load_matrices(a[i], a_at_[turn] + stage + static_cast<uint32_t>(i) * kBlockBytes);
      }
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross / 2; ++j) {
        load_matrices(w[j], w_at_[turn] + stage + static_cast<uint32_t>(j) * kBlockBytes);
      }
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        TAMIS_UNROLL
        for (int j = 0; j < kBlocksAcross; ++j) {
          Product::multiply(sums_[i][j], a[i], w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }

  [[nodiscard]] TAMIS_DEVICE uint32_t sum_place(int part, int i, int j, int r) const {
    const int block = (part * kBlocksDown + i) * kBlocksAcross + j;
    return shared_ + static_cast<uint32_t>((block * 4 + r) * 32 + lane_) * 4;
  }

  // Each warp adds up the blocks that it will finish; stages are read no more by then.
  TAMIS_DEVICE void add_parts() {
    TAMIS_UNROLL
    for (int i = 0; i < kBlocksDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross; ++j) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) {
          store_shared32(sum_place(part_, i, j, r), static_cast<uint32_t>(sums_[i][j][r]));
        }
      }
    }
    sync_block();
    TAMIS_UNROLL
    for (int i = 0; i < kBlocksDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kOwnAcross; ++j) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) {
          Sum sum = 0;
          TAMIS_UNROLL
          for (int part = 0; part < kTile.split; ++part) {
            sum += static_cast<Sum>(load_shared32(sum_place(part, i, part_ * kOwnAcross + j, r)));
          }
          sums_[i][j][r] = sum;
        }
      }
    }
    sync_block();
  }

  uint32_t shared_;
  int lane_;
  int part_;  // of k
  int warp_row_;
  int warp_column_;
  uint32_t to_;  // this thread's place in the first stage
  uint32_t a_at_[kTurns];
  uint32_t w_at_[kTurns];
  const uint8_t* a_[kCopiesA];
  const uint8_t* w_[kCopiesW];
  Sum sums_[kBlocksDown][kBlocksAcross][4];
};

}  // namespace tamis::cuda::device
