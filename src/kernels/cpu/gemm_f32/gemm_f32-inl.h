// The loop nest of gemm_f32 over a register tile of kMaxRows x (kVecs * 16).
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
//
// Packed W is [panel][k][nr], the last panel padded with zero columns. A block of rows small enough
// for half of the L2 meets one panel after the other; within it tiles of rows that differ by at
// most one, so that no tail runs a small tile. k is never split: a panel of 32 columns and k = 3072
// takes 393 KB, which the L2 holds beside the rows.
#pragma once

#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "kernels/cpu/simd/epilogue-inl.h"
#include "kernels/cpu/simd/tile-inl.h"

namespace tamis::kernels {
namespace {

// Bytes of A that stay in the L2 (1 MB on Zen 4 and 5, 2 MB on newer Intel) beside two panels of
// k = 768 or one of 3072. On Zen 4 256 KB costs 5 % of (256, 3072, 768).
constexpr int64_t kRowBlockBytes = 512 << 10;

// sums[i][j] of the tile.
template <int kRows, int kVecs>
void run_tile(const TileOperands& operands, float* sums) {
  Vec acc[kRows][kVecs];
  if (operands.prefetch != nullptr) {
    multiply_tile<kRows, kVecs, true>(operands, acc);
  } else {
    multiply_tile<kRows, kVecs, false>(operands, acc);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(sums + (i * kVecs + v) * kLanes, acc[i][v]);
  }
}

using RunTile = void (*)(const TileOperands&, float*);

template <int kMaxRows, int kVecs>
struct Gemm {
  static constexpr int64_t kColumns = kVecs * kLanes;

  template <int... kRows>
  struct Table {
    static constexpr RunTile kTiles[] = {run_tile<kRows, kVecs>...};
  };

  // One block of rows against one panel.
  template <typename Tiles>
  static void run_panel(const GemmF32Args& args, int64_t begin, int64_t end, int64_t panel,
                        bool has_next) {
    const int64_t rows = end - begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    const float* b = args.packed + panel * kColumns * args.k;
    const Epilogue epilogue = {args.n,       args.activation, args.residual, args.ldr,
                               Stored::kF32, args.c,          args.ldc};
    const int64_t column = panel * kColumns;
    const float* next = has_next ? b + kColumns * args.k : nullptr;
    int64_t row = begin;
    alignas(64) float sums[kMaxRows * kColumns];
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = tile_rows(rows, tiles, t);
      const TileOperands operands = {args.k, args.a + row * args.lda, args.lda, b,
                                     t == 0 ? next : nullptr};
      prefetch_results(epilogue, row, count, column, kColumns);
      Tiles::kTiles[count - 1](operands, sums);
      const SummedTile summed = {sums, row, count, column};
      if (column + kColumns <= args.n) {
        finish_float_tile<kVecs, true, false>(epilogue, args.bias, summed);
      } else {
        finish_float_tile<kVecs, false, false>(epilogue, args.bias, summed);
      }
      row += count;
    }
  }

  template <typename Tiles>
  static void run(const GemmF32Args& args, int64_t panel_begin, int64_t panel_end) {
    const int64_t row_bytes = args.k * static_cast<int64_t>(sizeof(float));
    int64_t block = row_bytes == 0 ? args.m : kRowBlockBytes / row_bytes / kMaxRows * kMaxRows;
    if (block < 2 * kMaxRows) block = 2 * kMaxRows;
    for (int64_t begin = 0; begin < args.m; begin += block) {
      const int64_t end = args.m - begin < block ? args.m : begin + block;
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        run_panel<Tiles>(args, begin, end, panel, panel + 1 < panel_end);
      }
    }
  }

  static size_t packed_bytes(int64_t n, int64_t k) {
    return static_cast<size_t>((n + kColumns - 1) / kColumns * kColumns * k) * sizeof(float);
  }

  static void pack(const GemmF32Weights& weights, int64_t panel_begin, int64_t panel_end,
                   float* packed) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      for (int v = 0; v < kVecs; ++v) {
        const int64_t column = panel * kColumns + v * kLanes;
        pack_sixteen(weights, column, packed + panel * kColumns * weights.k + v * kLanes);
      }
    }
  }

 private:
  // Sixteen columns from `column` on: out[p * kColumns + j] = w[column + j][p].
  static void pack_sixteen(const GemmF32Weights& weights, int64_t column, float* out) {
    const int64_t valid = weights.n - column;
    for (int64_t p = 0; p < weights.k; p += kLanes) {
      const int64_t depth = weights.k - p < kLanes ? weights.k - p : kLanes;
      Vec rows[16];
      for (int j = 0; j < 16; ++j) {
        rows[j] =
            j < valid ? load_first(weights.w + (column + j) * weights.ldw + p, depth) : zero();
      }
      transpose(rows);
      for (int64_t i = 0; i < depth; ++i) store(out + (p + i) * kColumns, rows[i]);
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
