// The loop nest of gemm_s8 over a register tile of kMaxRows x (kVecs * 16) sums.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h and simd/dot_s8_<isa>-inl.h, all in an
// anonymous namespace.
//
// Packed W is [panel][k / kGroup][nr][kGroup] bytes, k and n padded with zeros, then weight scales
// [panels * nr] and column sums [panels * nr] as float. Loops as in gemm_f32-inl.h.
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
  const Epilogue* epilogue;
  const char* b;              // panel
  const char* prefetch;       // the panel that comes next, or null
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
    const DotOperands operands = {groups_of(depth), reinterpret_cast<const char*>(rows),
                                  static_cast<int64_t>(sizeof(rows[0])), tile.b + offset,
                                  tile.prefetch == nullptr ? nullptr : tile.prefetch + offset};
    multiply_prefetching<kRows, kVecs>(operands, acc);
  }
}

template <int kRows, int kVecs, bool kFull>
TAMIS_INLINE void store_int_tile(const IntTile& tile, Sum (&acc)[kRows][kVecs]) {
  const GemmS8Args& args = *tile.args;
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t column = tile.column + v * kLanes;
    const int64_t left = args.n - column;
    if (!kFull && left <= 0) break;
    const auto get = [left](const float* p) TAMIS_LAMBDA {
      return kFull ? load(p) : load_first(p, at_most_lanes(left));
    };
    const Vec weight_scale = load(tile.weight_scale + v * kLanes);
    const Vec colsum = load(tile.colsum + v * kLanes);
    const Vec bias = args.bias == nullptr ? zero() : get(args.bias + column);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const int64_t row = tile.row + i;
      const Vec shift = set(args.low[row]) * colsum;
      const Vec x = fma(to_float(acc[i][v]), set(args.scale[row]), shift);
      Vec y = fma(x, weight_scale, bias);
      for (int64_t r = 0; r < args.outliers; ++r) {
        y = fma(set(args.outlier_values[row * kMaxOutliers + r]),
                get(args.outlier_weights + r * args.n + column), y);
      }
      store_sums<kFull>(*tile.epilogue, row, column, y);
    }
  }
}

template <int kRows, int kVecs>
void run_int_tile(const IntTile& tile) {
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
    multiply_prefetching<kRows, kVecs>({groups_of(args.k), a, args.lda, tile.b, tile.prefetch},
                                       acc);
  }
  if (tile.column + kVecs * kLanes <= args.n) {
    store_int_tile<kRows, kVecs, true>(tile, acc);
  } else {
    store_int_tile<kRows, kVecs, false>(tile, acc);
  }
}

using RunIntTile = void (*)(const IntTile&);

template <int kMaxRows, int kVecs>
struct IntGemm {
  static constexpr int64_t kColumns = kVecs * kLanes;

  template <int... kRows>
  struct Table {
    static constexpr RunIntTile kTiles[] = {run_int_tile<kRows, kVecs>...};
  };

  static int64_t panels_of(int64_t n) { return (n + kColumns - 1) / kColumns; }
  static int64_t panel_bytes(int64_t k) { return groups_of(k) * kGroup * kColumns; }
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
    for (int64_t begin = 0; begin < args.m; begin += block) {
      const int64_t end = args.m - begin < block ? args.m : begin + block;
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        run_panel<Tiles>(args, begin, end, panel, panel + 1 < panel_end);
      }
    }
  }

 private:
  // One column into a panel; -1: zeros. Returns its sum.
  static int64_t pack_column(const GemmS8Weights& weights, int64_t column, int8_t* out) {
    int64_t sum = 0;
    for (int64_t p = 0; p < groups_of(weights.k) * kGroup; ++p) {
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
                        bool has_next) {
    const auto* bytes = static_cast<const char*>(args.packed);
    const auto* scales = reinterpret_cast<const float*>(bytes + scales_offset(args.n, args.k));
    const int64_t column = panel * kColumns;
    const int64_t columns = args.n - column < kColumns ? args.n - column : kColumns;
    float buffer[kMaxRows * kColumns];
    Epilogue epilogue = {
        args.n, args.bias, args.activation, args.residual, args.ldr, args.c, args.ldc, 0, 0};
    const char* b = bytes + panel * panel_bytes(args.k);
    IntTile tile = {&args,
                    &epilogue,
                    b,
                    has_next ? b + panel_bytes(args.k) : nullptr,
                    scales + column,
                    scales + panels_of(args.n) * kColumns + column,
                    begin,
                    column};
    const int64_t rows = end - begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = tile_rows(rows, tiles, t);
      if (args.c_bf16 != nullptr) redirect(epilogue, buffer, kColumns, tile.row, column);
      Tiles::kTiles[count - 1](tile);
      finish_rows(epilogue, tile.row, count, column, columns);
      if (args.c_bf16 != nullptr) {
        store_bf16_rows(buffer, kColumns, count, columns,
                        args.c_bf16 + tile.row * args.ldc + column, args.ldc);
      }
      tile.prefetch = nullptr;
      tile.row += count;
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
