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
#include "kernels/cpu/simd/math-inl.h"
#include "kernels/cpu/simd/tile-inl.h"

namespace tamis::kernels {
namespace {

// Bytes of A that stay in the L2 (1 MB on Zen 4 and 5, 2 MB on newer Intel) beside two panels.
constexpr int64_t kRowBlockBytes = 256 << 10;

struct Tile {
  const GemmF32Args* args;
  const float* a;         // first row
  const float* b;         // panel
  const float* prefetch;  // the panel that comes next, or null
  int64_t row;
  int64_t column;
};

template <int kRows, int kVecs, bool kFull>
TAMIS_INLINE void store_tile(const Tile& tile, Vec (&acc)[kRows][kVecs]) {
  const GemmF32Args& args = *tile.args;
  const bool add_now = args.residual != nullptr && args.activation == Activation::kNone;
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t column = tile.column + v * kLanes;
    const int64_t left = args.n - column;
    if (!kFull && left <= 0) break;
    const auto get = [&](const float* p) TAMIS_LAMBDA {
      return kFull ? load(p) : load_first(p, left < kLanes ? left : kLanes);
    };
    const Vec bias = args.bias == nullptr ? zero() : get(args.bias + column);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      Vec x = acc[i][v];
      if (args.bias != nullptr) x = x + bias;
      if (add_now) x = x + get(args.residual + (tile.row + i) * args.ldr + column);
      float* c = args.c + (tile.row + i) * args.ldc + column;
      if (kFull) {
        store(c, x);
      } else {
        store_first(c, x, left < kLanes ? left : kLanes);
      }
    }
  }
}

template <int kRows, int kVecs>
void run_tile(const Tile& tile) {
  const GemmF32Args& args = *tile.args;
  Vec acc[kRows][kVecs];
  const TileOperands operands = {args.k, tile.a, args.lda, tile.b, tile.prefetch};
  if (tile.prefetch != nullptr) {
    multiply_tile<kRows, kVecs, true>(operands, acc);
  } else {
    multiply_tile<kRows, kVecs, false>(operands, acc);
  }
  if (tile.column + kVecs * kLanes <= args.n) {
    store_tile<kRows, kVecs, true>(tile, acc);
  } else {
    store_tile<kRows, kVecs, false>(tile, acc);
  }
}

// Activation and residual over a tile just stored, while it is in the L1.
void finish_rows(const GemmF32Args& args, int64_t row, int64_t rows, int64_t column,
                 int64_t columns) {
  with_activation(args.activation, [&](auto function) TAMIS_LAMBDA {
    for (int64_t i = row; i < row + rows; ++i) {
      float* c = args.c + i * args.ldc + column;
      const float* residual =
          args.residual == nullptr ? nullptr : args.residual + i * args.ldr + column;
      for (int64_t j = 0; j < columns; j += kLanes) {
        const int64_t count = columns - j < kLanes ? columns - j : kLanes;
        Vec x = function(load_first(c + j, count));
        if (residual != nullptr) x = x + load_first(residual + j, count);
        store_first(c + j, x, count);
      }
    }
  });
}

using RunTile = void (*)(const Tile&);

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
    Tile tile = {&args, nullptr,         b, has_next ? b + kColumns * args.k : nullptr,
                 begin, panel * kColumns};
    const int64_t columns = args.n - tile.column < kColumns ? args.n - tile.column : kColumns;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
      tile.a = args.a + tile.row * args.lda;
      Tiles::kTiles[count - 1](tile);
      if (args.activation != Activation::kNone) {
        finish_rows(args, tile.row, count, tile.column, columns);
      }
      tile.prefetch = nullptr;
      tile.row += count;
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
