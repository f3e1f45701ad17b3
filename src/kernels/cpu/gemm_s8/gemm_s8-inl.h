// The loop nest of gemm_s8 over a register tile of kMaxRows x (kVecs * 16) sums.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h and simd/dot_s8_<isa>-inl.h, all in an
// anonymous namespace.
//
// Packed W is [panel][k / kGroup][nr][kGroup] bytes, k and n padded with zeros (k to a multiple of
// kDepth), then weight scales [panels * nr] and column sums [panels * nr] as float. Loops as in
// gemm_f32-inl.h.
#pragma once

#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/cpu/simd/dot_tile-inl.h"
#include "kernels/cpu/simd/epilogue-inl.h"

namespace tamis::kernels {
namespace {

// Bytes of A that stay in the L2 beside two panels (48 columns of k = 3072 are 147 KB).
constexpr int64_t kRowBlockBytes = 256 << 10;
// Without VNNI a tile's rows are widened to 16 bits on the stack, this many k at a time: 8 KB.
constexpr int64_t kWidenedDepth = 512;

struct IntTile {
  const GemmS8Args* args;
  const char* b;              // panel
  const char* prefetch;       // part of the panel that comes next, or null
  bool prefetch_half;         // as DotOperands
  const float* weight_scale;  // of the panel's columns
  const float* colsum;
  int64_t row;
  int64_t column;
};

// The whole k by pieces whose rows are widened first.
template <int kRows, int kVecs>
TAMIS_INLINE void multiply_widened(const IntTile& tile, Sum (&acc)[kRows][kVecs]) {
  constexpr int64_t kGroupBytes = kVecs * kLanes * kGroup;
  const GemmS8Args& args = *tile.args;
  uint16_t rows[kRows][kWidenedDepth];
  for (int64_t start = 0; start < args.k; start += kWidenedDepth) {
    const int64_t depth = args.k - start < kWidenedDepth ? args.k - start : kWidenedDepth;
    for (int i = 0; i < kRows; ++i) {
      const uint8_t* a = args.a + (tile.row + i) * args.lda + start;
      int64_t p = 0;
      for (; p + 16 <= depth; p += 16) widen_sixteen(a + p, rows[i] + p);
      for (; p < depth; ++p) rows[i][p] = a[p];
      if (depth % kGroup != 0) rows[i][depth] = 0;
    }
    const int64_t offset = start / kGroup * kGroupBytes;
    const int64_t fetched = tile.prefetch_half ? offset / 2 : offset;
    const DotOperands operands = {groups_of(depth),
                                  reinterpret_cast<const char*>(rows),
                                  static_cast<int64_t>(sizeof(rows[0])),
                                  tile.b + offset,
                                  tile.prefetch == nullptr ? nullptr : tile.prefetch + fetched,
                                  tile.prefetch_half};
    multiply_prefetching<kRows, kVecs>(operands, acc);
  }
}

// sums[i][v] of the tile.
template <int kRows, int kVecs>
void run_int_tile(const IntTile& tile, Sum* sums) {
  const GemmS8Args& args = *tile.args;
  Sum acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[i][v] = sum_zero();
  }
  if constexpr (kWidenRows) {
    multiply_widened<kRows, kVecs>(tile, acc);
  } else {
    const char* a = reinterpret_cast<const char*>(args.a + tile.row * args.lda);
    multiply_prefetching<kRows, kVecs>(
        {groups_of(args.k), a, args.lda, tile.b, tile.prefetch, tile.prefetch_half}, acc);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) sums[i * kVecs + v] = acc[i][v];
  }
}

using RunIntTile = void (*)(const IntTile&, Sum*);

// Integers to floats, and what was left out of the integer product.
template <int kVecs, bool kFull>
__attribute__((noinline)) void finish_int_tile(const Epilogue& epilogue, const IntTile& tile,
                                               const Sum* sums, int64_t rows) {
  const GemmS8Args& args = *tile.args;
  Vec weight_scale[kVecs];
  Vec colsum[kVecs];
  Vec bias[kVecs];
  load_columns_of<kVecs, true>(tile.weight_scale, args.n, 0, weight_scale);
  load_columns_of<kVecs, true>(tile.colsum, args.n, 0, colsum);
  load_columns_of<kVecs, kFull>(args.bias, args.n, tile.column, bias);
  // Most layers have two outlier columns or none: their weights stay in registers.
  const float* outlier_weights = args.outlier_weights;
  Vec held[2][kVecs] = {};
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    if (r >= args.outliers) break;
    load_columns_of<kVecs, kFull>(outlier_weights + r * args.n, args.n, tile.column, held[r]);
  }
  const int64_t first = tile.row;
  const auto values = [&](int64_t i, Vec(&y)[kVecs]) TAMIS_LAMBDA {
    const Vec low = set(args.low[first + i]);
    const Vec scale = set(args.scale[first + i]);
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const Vec x = fma(to_float(sums[i * kVecs + v]), scale, low * colsum[v]);
      y[v] = fma(x, weight_scale[v], bias[v]);
    }
    const float* outliers = args.outlier_values + (first + i) * kMaxOutliers;
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r) {
      if (r >= args.outliers) return;
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) y[v] = fma(set(outliers[r]), held[r][v], y[v]);
    }
    for (int64_t r = 2; r < args.outliers; ++r) {
      Vec weights[kVecs];
      load_columns_of<kVecs, kFull>(outlier_weights + r * args.n, args.n, tile.column, weights);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) y[v] = fma(set(outliers[r]), weights[v], y[v]);
    }
  };
  finish_tile<kVecs, kFull, true>(epilogue, first, rows, tile.column, values);
}

template <int kMaxRows, int kVecs, int64_t kDepth = kGroup>
struct IntGemm {
  static constexpr int64_t kColumns = kVecs * kLanes;

  // Runs a tile of so many rows, 1 to kMaxRows; one object a call of run().
  template <int... kRows>
  struct Table {
    static constexpr RunIntTile kTiles[] = {run_int_tile<kRows, kVecs>...};
    void operator()(const IntTile& tile, int64_t rows, Sum* sums) const {
      kTiles[rows - 1](tile, sums);
    }
  };

  static int64_t panels_of(int64_t n) { return (n + kColumns - 1) / kColumns; }
  static int64_t depth_of(int64_t k) { return (k + kDepth - 1) / kDepth * kDepth; }
  static int64_t panel_bytes(int64_t k) { return depth_of(k) * kColumns; }
  // Where the scales start: panels are multiples of 64 bytes.
  static int64_t scales_offset(int64_t n, int64_t k) {
    return (panels_of(n) * panel_bytes(k) + 63) / 64 * 64;
  }

  static size_t packed_bytes(int64_t n, int64_t k) {
    return static_cast<size_t>(scales_offset(n, k) +
                               2 * panels_of(n) * kColumns * static_cast<int64_t>(sizeof(float)));
  }

  static void pack(const GemmS8Weights& weights, int64_t panel_begin, int64_t panel_end,
                   void* packed) {
    auto* bytes = static_cast<int8_t*>(packed);
    auto* scales = reinterpret_cast<float*>(bytes + scales_offset(weights.n, weights.k));
    float* colsums = scales + panels_of(weights.n) * kColumns;
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      for (int64_t j = 0; j < kColumns; ++j) {
        const int64_t column = panel * kColumns + j;
        int8_t* out = bytes + panel * panel_bytes(weights.k) + j * kGroup;
        const bool real = column < weights.n;
        colsums[column] = static_cast<float>(pack_column(weights, real ? column : -1, out));
        scales[column] = real ? weights.scale[column] : 0.0f;
      }
    }
  }

  template <typename Tiles>
  static void run(const GemmS8Args& args, int64_t panel_begin, int64_t panel_end) {
    int64_t block = args.k == 0 ? args.m : kRowBlockBytes / args.k / kMaxRows * kMaxRows;
    if (block < 2 * kMaxRows) block = 2 * kMaxRows;
    Tiles run_tile;
    for (int64_t begin = 0; begin < args.m; begin += block) {
      const int64_t end = args.m - begin < block ? args.m : begin + block;
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const auto* packed = static_cast<const char*>(args.packed);
        const auto* next = static_cast<const char*>(args.fetch_next);
        if (panel + 1 < panel_end) {
          next = packed + (panel + 1) * panel_bytes(args.k);
        } else if (end < args.m) {
          next = packed + panel_begin * panel_bytes(args.k);
        }
        run_panel(args, begin, end, panel, next, run_tile);
      }
    }
  }

 private:
  // One column into a panel; -1: zeros. Returns its sum.
  static int64_t pack_column(const GemmS8Weights& weights, int64_t column, int8_t* out) {
    int64_t sum = 0;
    for (int64_t p = 0; p < depth_of(weights.k); ++p) {
      const bool real = column >= 0 && p < weights.k;
      const int8_t value = real ? weights.w[column * weights.ldw + p] : int8_t{0};
      out[p / kGroup * kGroup * kColumns + p % kGroup] = value;
      sum += value;
    }
    return sum;
  }

  // One block of rows against one panel.
  template <typename Tiles>
  static void run_panel(const GemmS8Args& args, int64_t begin, int64_t end, int64_t panel,
                        const char* next, Tiles& run_tile) {
    const auto* bytes = static_cast<const char*>(args.packed);
    const auto* scales = reinterpret_cast<const float*>(bytes + scales_offset(args.n, args.k));
    const int64_t padded = panels_of(args.n) * kColumns;
    const int64_t column = panel * kColumns;
    const char* b = bytes + panel * panel_bytes(args.k);
    const int64_t rows = end - begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    IntTile tile = {&args, b,     nullptr, tiles > 1, scales + column, scales + padded + column,
                    begin, column};
    const Epilogue epilogue = epilogue_of(args);
    const bool full = column + kColumns <= args.n;
    Sum with_spare[(1 + kMaxRows) * kVecs];
    Sum* const sums = with_spare + kVecs;  // a row before them is free for use
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = tile_rows(rows, tiles, t);
      tile.prefetch = prefetched_half(next, panel_bytes(args.k), t);
      prefetch_results(epilogue, tile.row, count, column, kColumns);
      run_tile(tile, count, sums);
      if (full) {
        finish_int_tile<kVecs, true>(epilogue, tile, sums, count);
      } else {
        finish_int_tile<kVecs, false>(epilogue, tile, sums, count);
      }
      tile.row += count;
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
