// C = activation(A W^T + bias) + residual; A u8 a row with scale and low, W s8 a channel.
//
// Is: the GPU's gemm_s8, on mma.sync with a ring of cp.async stages. Is not: for Hopper's wgmma.
// May use: device.h.
//
// Maths: that of kernels/cpu/gemm_s8, with the same roundings in the same order, so that all bits
// are the CPU's. Tiles read rows of 64 or 128 bytes of k; what lies behind k in a row of w must be
// 0.
#pragma once

#include "kernels/cuda/device.h"

namespace tamis::cuda {

/// Device memory. Rows of a and w begin at multiples of 16 bytes and are padded to them.
struct GemmS8Params {
  int m = 0;
  int n = 0;  // even
  int k = 0;
  int lda = 0;  // multiples of 16
  int ldw = 0;
  const uint8_t* a = nullptr;
  const int8_t* w = nullptr;
  const float* scale = nullptr;         // [m]
  const float* low = nullptr;           // [m]
  const float* weight_scale = nullptr;  // [n]
  const float* colsum = nullptr;        // [n]
  const float* bias = nullptr;          // [n]
  int outliers = 0;
  const float* outlier_values = nullptr;   // [m, 8]
  const float* outlier_weights = nullptr;  // [outliers, n]
  const float* residual = nullptr;         // [m, n], or null
  const float* short_gelu = nullptr;       // [49]: per_unit, then c0, c1 and c2 of 16 intervals
  float* c = nullptr;                      // [m, n], or
  uint16_t* c_b16 = nullptr;               // the same in 16-bit floats
};

enum class GemmActivation { kNone, kRelu, kShortGelu };

/// A block's tile of rows, columns and bytes of k, a warp's part of it, and stages of the ring.
struct GemmTile {
  int rows;
  int columns;
  int depth;
  int warp_rows;
  int warp_columns;
  int stages;
};
inline constexpr GemmTile kLargeTile = {128, 128, 64, 64, 32, 3};
inline constexpr GemmTile kMiddleTile = {64, 64, 128, 32, 32, 3};

namespace device {

/// Launch with kThreads, kSharedBytes and a grid of (n / columns, m / rows), rounded up.
template <GemmTile kTile, GemmActivation kActivation>
class GemmS8 {
  static constexpr int kWarpsAcross = kTile.columns / kTile.warp_columns;
  static constexpr int kStageBytes = (kTile.rows + kTile.columns) * kTile.depth;
  static constexpr int kChunks = kTile.depth / 16;  // a row
  static constexpr int kBlocksDown = kTile.warp_rows / 16;
  static constexpr int kBlocksAcross = kTile.warp_columns / 8;

 public:
  static constexpr int kThreads = kTile.rows / kTile.warp_rows * kWarpsAcross * 32;
  static constexpr int kSharedBytes = kTile.stages * kStageBytes;

  static TAMIS_DEVICE void run(const GemmS8Params& p) {
    GemmS8 gemm(p);
    gemm.multiply();
    gemm.finish();
  }

 private:
  TAMIS_DEVICE explicit GemmS8(const GemmS8Params& p)
      : p_(p),
        shared_(shared_base()),
        lane_(thread_x() % 32),
        warp_row_(thread_x() / 32 / kWarpsAcross * kTile.warp_rows),
        warp_column_(thread_x() / 32 % kWarpsAcross * kTile.warp_columns),
        row0_(block_y() * kTile.rows),
        column0_(block_x() * kTile.columns) {
    TAMIS_UNROLL
    for (int i = 0; i < kBlocksDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kBlocksAcross; ++j) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) sums_[i][j][r] = 0;
      }
    }
  }

  // Eight rows that ldmatrix reads at once lie in eight groups of banks.
  static TAMIS_DEVICE uint32_t place(int row, int chunk) {
    const int mixed = kTile.depth == 64 ? chunk ^ (row >> 1 & 3) : chunk ^ (row & 7);
    return static_cast<uint32_t>(row * kTile.depth + mixed * 16);
  }

  /// Rows of one operand as a stage wants them.
  struct Source {
    const uint8_t* bytes;
    int first;
    int rows;
    int stride;
  };

  template <int kRows>
  static TAMIS_DEVICE void fetch(const Source& source, uint32_t to, int k0) {
    TAMIS_UNROLL
    for (int i = 0; i < kRows * kChunks / kThreads; ++i) {
      const int id = thread_x() + i * kThreads;
      const int row = id / kChunks;
      const int at = k0 + id % kChunks * 16;
      const bool there = source.first + row < source.rows && at < source.stride;
      const int64_t from = static_cast<int64_t>(source.first + row) * source.stride + at;
      copy_async(to + place(row, id % kChunks), there ? source.bytes + from : source.bytes,
                 there ? 16 : 0);
    }
  }

  TAMIS_DEVICE void fetch_stage(int stage, int step) const {
    const uint32_t to = shared_ + static_cast<uint32_t>(stage * kStageBytes);
    const int k0 = step * kTile.depth;
    fetch<kTile.rows>({p_.a, row0_, p_.m, p_.lda}, to, k0);
    fetch<kTile.columns>({reinterpret_cast<const uint8_t*>(p_.w), column0_, p_.n, p_.ldw},
                         to + kTile.rows * kTile.depth, k0);
  }

  TAMIS_DEVICE void multiply() {
    const int steps = (p_.k + kTile.depth - 1) / kTile.depth;
    TAMIS_UNROLL
    for (int s = 0; s < kTile.stages - 1; ++s) {
      if (s < steps) fetch_stage(s, s);
      copy_commit();
    }
    int read = 0;
    int write = kTile.stages - 1;
    for (int step = 0; step < steps; ++step) {
      copy_wait<kTile.stages - 2>();
      sync_block();
      if (step + kTile.stages - 1 < steps) fetch_stage(write, step + kTile.stages - 1);
      copy_commit();
      multiply_stage(shared_ + static_cast<uint32_t>(read * kStageBytes));
      read = read + 1 == kTile.stages ? 0 : read + 1;
      write = write + 1 == kTile.stages ? 0 : write + 1;
    }
  }

  TAMIS_DEVICE void multiply_stage(uint32_t a0) {
    const uint32_t b0 = a0 + kTile.rows * kTile.depth;
    TAMIS_UNROLL
    for (int kk = 0; kk < kTile.depth / 32; ++kk) {
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
          multiply_u8s8(sums_[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }

  // A lane holds rows lane / 4 and 8 below, columns 2 (lane % 4) and the next, of each 16 x 8:
  // columns outside, so that what belongs to them is loaded once.
  TAMIS_DEVICE void finish() const {
    TAMIS_UNROLL
    for (int j = 0; j < kBlocksAcross; ++j) {
      const int column = column0_ + warp_column_ + j * 8 + lane_ % 4 * 2;
      if (column >= p_.n) continue;
      TAMIS_UNROLL
      for (int i = 0; i < kBlocksDown; ++i) {
        TAMIS_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int row = row0_ + warp_row_ + i * 16 + half * 8 + lane_ / 4;
          if (row >= p_.m) continue;
          finish_pair(row, column, sums_[i][j][half * 2], sums_[i][j][half * 2 + 1]);
        }
      }
    }
  }

  TAMIS_DEVICE float scaled(int row, int column, int32_t sum) const {
    const float low = mul_rn(load_global(p_.low + row), load_global(p_.colsum + column));
    const float x = fma_rn(to_float(sum), load_global(p_.scale + row), low);
    float y = fma_rn(x, load_global(p_.weight_scale + column), load_global(p_.bias + column));
    for (int r = 0; r < p_.outliers; ++r) {
      y = fma_rn(load_global(p_.outlier_values + row * 8 + r),
                 load_global(p_.outlier_weights + r * p_.n + column), y);
    }
    return activated(y);
  }

  TAMIS_DEVICE float activated(float x) const {
    if (kActivation == GemmActivation::kRelu) return max_of(x, 0.0f);
    if (kActivation == GemmActivation::kNone) return x;
    // max(x, 0) - r(|x|), r by a quadratic on each of 16 intervals (kernels/cpu/simd/math-inl.h).
    const float positive = max_of(x, -x);
    const float u = min_of(mul_rn(positive, load_global(p_.short_gelu)), 15.49f);
    const int32_t interval = round_even(u);
    const float t = sub_rn(u, to_float(interval));
    const float* fit = p_.short_gelu + 1 + interval;
    const float linear = fma_rn(load_global(fit + 32), t, load_global(fit + 16));
    return sub_rn(max_of(0.0f, x), fma_rn(linear, t, load_global(fit)));
  }

  TAMIS_DEVICE void finish_pair(int row, int column, int32_t first, int32_t second) const {
    float y0 = scaled(row, column, first);
    float y1 = scaled(row, column + 1, second);
    const int64_t at = static_cast<int64_t>(row) * p_.n + column;
    if (p_.residual != nullptr) {
      const Vec2 more = load_global(reinterpret_cast<const Vec2*>(p_.residual + at));
      y0 = add_rn(y0, float_of(more.x));
      y1 = add_rn(y1, float_of(more.y));
    }
    if (p_.c_b16 != nullptr) {
      store_global(reinterpret_cast<uint32_t*>(p_.c_b16 + at), pack_b16(y0, y1));
    } else {
      store_global(reinterpret_cast<Vec2*>(p_.c + at), Vec2{bits_of(y0), bits_of(y1)});
    }
  }

  const GemmS8Params& p_;
  uint32_t shared_;
  int lane_;
  int warp_row_;
  int warp_column_;
  int row0_;
  int column0_;
  int32_t sums_[kBlocksDown][kBlocksAcross][4];
};

}  // namespace device

}  // namespace tamis::cuda
