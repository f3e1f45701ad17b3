// The loop nest of gemm_bf16 over a register tile of kMaxRows x (kVecs * 16) sums.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h and a simd/dot_bf16_*-inl.h, all in an
// anonymous namespace.
//
// Packed W is [panel][k / kGroup][nr][kGroup] bf16, k and n padded with zeros (k to a multiple of
// kDepth). Loops as in gemm_f32-inl.h.
#pragma once

#include "kernels/cpu/gemm_bf16/gemm_bf16.h"
#include "kernels/cpu/simd/dot_tile-inl.h"
#include "kernels/cpu/simd/epilogue-inl.h"

namespace tamis::kernels {
namespace {

// Bytes of A that stay in the L2 beside two panels (48 columns of k = 3072 are 295 KB).
constexpr int64_t kRowBlockBytes = 256 << 10;
// Without a bf16 dot product a tile's rows are widened on the stack, this many k at a time: 12 KB.
constexpr int64_t kWidenedDepth = 256;

// As base/bf16.h, which a per-ISA file may not include: to nearest, ties to even; NaN stays NaN.
TAMIS_INLINE uint16_t round_to_bf16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

struct Bf16Tile {
  const GemmBf16Args* args;
  const char* b;         // panel
  const char* prefetch;  // part of the panel that comes next, or null
  bool prefetch_half;    // as DotOperands
  int64_t row;
  int64_t column;
};

// The whole k by pieces whose rows are widened first.
template <int kRows, int kVecs>
TAMIS_INLINE void multiply_widened(const Bf16Tile& tile, Sum (&acc)[kRows][kVecs]) {
  const GemmBf16Args& args = *tile.args;
  float rows[kRows][kWidenedDepth];
  for (int64_t start = 0; start < args.k; start += kWidenedDepth) {
    const int64_t depth = args.k - start < kWidenedDepth ? args.k - start : kWidenedDepth;
    for (int i = 0; i < kRows; ++i) {
      const uint16_t* a = args.a + (tile.row + i) * args.lda + start;
      int64_t p = 0;
      for (; p + kLanes <= depth; p += kLanes) store(rows[i] + p, load_bf16(a + p));
      for (; p < depth; ++p) {
        const uint32_t bits = static_cast<uint32_t>(a[p]) << 16;
        __builtin_memcpy(&rows[i][p], &bits, sizeof(bits));
      }
    }
    const int64_t offset = start * kVecs * kColumnBytes;
    const int64_t fetched = tile.prefetch_half ? offset / 2 : offset;
    const DotOperands operands = {depth,
                                  reinterpret_cast<const char*>(rows),
                                  static_cast<int64_t>(sizeof(rows[0])),
                                  tile.b + offset,
                                  tile.prefetch == nullptr ? nullptr : tile.prefetch + fetched,
                                  tile.prefetch_half};
    multiply_prefetching<kRows, kVecs>(operands, acc);
  }
}

// sums[i][j] of the tile.
template <int kRows, int kVecs>
void run_bf16_tile(const Bf16Tile& tile, float* sums) {
  const GemmBf16Args& args = *tile.args;
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
        {groups_of(args.k), a, args.lda * 2, tile.b, tile.prefetch, tile.prefetch_half}, acc);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(sums + (i * kVecs + v) * kLanes, acc[i][v]);
  }
}

using RunBf16Tile = void (*)(const Bf16Tile&, float*);

template <int kMaxRows, int kVecs, int64_t kDepth = kGroup>
struct Bf16Gemm {
  static constexpr int64_t kColumns = kVecs * kLanes;

  // Runs a tile of so many rows, 1 to kMaxRows; one object a call of run().
  template <int... kRows>
  struct Table {
    static constexpr RunBf16Tile kTiles[] = {run_bf16_tile<kRows, kVecs>...};
    void operator()(const Bf16Tile& tile, int64_t rows, float* sums) const {
      kTiles[rows - 1](tile, sums);
    }
  };

  static int64_t depth_of(int64_t k) { return (k + kDepth - 1) / kDepth * kDepth; }
  static int64_t panel_bytes(int64_t k) { return depth_of(k) / kGroup * kVecs * kColumnBytes; }

  static size_t packed_bytes(int64_t n, int64_t k) {
    return static_cast<size_t>((n + kColumns - 1) / kColumns * panel_bytes(k));
  }

  static void pack(const GemmBf16Weights& weights, int64_t panel_begin, int64_t panel_end,
                   void* packed) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      char* out = static_cast<char*>(packed) + panel * panel_bytes(weights.k);
      for (int64_t j = 0; j < kColumns; ++j) {
        pack_column(weights, panel * kColumns + j, reinterpret_cast<uint16_t*>(out) + j * kGroup);
      }
    }
  }

  template <typename Tiles>
  static void run(const GemmBf16Args& args, int64_t panel_begin, int64_t panel_end) {
    int64_t block = args.k == 0 ? args.m : kRowBlockBytes / (2 * args.k) / kMaxRows * kMaxRows;
    if (block < 2 * kMaxRows) block = 2 * kMaxRows;
    Tiles run_tile;
    for (int64_t begin = 0; begin < args.m; begin += block) {
      const int64_t end = args.m - begin < block ? args.m : begin + block;
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        run_panel(args, begin, end, panel, panel + 1 < panel_end, run_tile);
      }
    }
  }

 private:
  static void pack_column(const GemmBf16Weights& weights, int64_t column, uint16_t* out) {
    for (int64_t p = 0; p < depth_of(weights.k); ++p) {
      const bool real = column < weights.n && p < weights.k;
      out[p / kGroup * kGroup * kColumns + p % kGroup] =
          real ? round_to_bf16(weights.w[column * weights.ldw + p]) : uint16_t{0};
    }
  }

  // One block of rows against one panel.
  template <typename Tiles>
  static void run_panel(const GemmBf16Args& args, int64_t begin, int64_t end, int64_t panel,
                        bool has_next, Tiles& run_tile) {
    const char* b = static_cast<const char*>(args.packed) + panel * panel_bytes(args.k);
    const char* next = has_next ? b + panel_bytes(args.k) : nullptr;
    const int64_t rows = end - begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    const int64_t column = panel * kColumns;
    Bf16Tile tile = {&args, b, nullptr, tiles > 1, begin, column};
    const Epilogue epilogue = epilogue_of(args);
    const bool full = column + kColumns <= args.n;
    alignas(64) float with_spare[(1 + kMaxRows) * kColumns];
    float* const sums = with_spare + kColumns;  // a row before them is free for use
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = tile_rows(rows, tiles, t);
      tile.prefetch = prefetched_half(next, panel_bytes(args.k), t);
      prefetch_results(epilogue, tile.row, count, column, kColumns);
      run_tile(tile, count, sums);
      const SummedTile summed = {sums, tile.row, count, column};
      if (full) {
        finish_float_tile<kVecs, true, true>(epilogue, args.bias, summed);
      } else {
        finish_float_tile<kVecs, false, true>(epilogue, args.bias, summed);
      }
      tile.row += count;
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
