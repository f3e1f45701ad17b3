// Attention of one (sequence, head), a tile of query rows at a time.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
//
// K is packed transposed and V row by row, once a call and head, both as panels of kVecs * 16
// columns whose last may be narrower: [panel][depth][columns]. The scores of a tile of rows (12
// rows of 512 keys are 24 KB) stay in the L1 between the two products and the softmax.
#pragma once

#include "kernels/cpu/attention_f32/attention_f32.h"
#include "kernels/cpu/simd/math-inl.h"
#include "kernels/cpu/simd/tile-inl.h"

namespace tamis::kernels {
namespace {

TAMIS_INLINE int64_t round_up_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// out[j] = exp(scale * (x[j] - max(x))) in place; returns the sum. Lanes from `width` to the next
// multiple of 16 may hold anything and become anything.
TAMIS_INLINE float exponentials(float* x, int64_t width, float scale) {
  const int64_t whole = width / kLanes * kLanes;
  const Vec lowest = set(-3.402823466e+38f);
  Vec greatest = lowest;
  for (int64_t j = 0; j < whole; j += kLanes) greatest = max(greatest, load(x + j));
  if (whole < width) {
    greatest = max(greatest, keep_first(load(x + whole), width - whole, lowest));
  }
  const Vec most = set(max_lanes(greatest));
  const Vec factor = set(scale);
  Vec sum = zero();
  for (int64_t j = 0; j < whole; j += kLanes) {
    const Vec e = exp((load(x + j) - most) * factor);
    store(x + j, e);
    sum = sum + e;
  }
  if (whole < width) {
    const Vec e = exp((load(x + whole) - most) * factor);
    store(x + whole, e);
    sum = sum + keep_first(e, width - whole, zero());
  }
  return sum_lanes(sum);
}

// A tile of query rows of one head.
struct AttentionTile {
  const float* q;
  int64_t ldq;
  const float* packed_k;
  const float* packed_v;
  float* scores;  // [rows, round_up_lanes(keys)]
  float* out;
  int64_t ldo;
  int64_t keys;
  int64_t head_size;
  float scale;
};

// Scores of one panel of keys, from `key` on.
template <int kRows, int kVecs>
TAMIS_INLINE void score_panel(const AttentionTile& tile, int64_t key) {
  const int64_t ld = round_up_lanes(tile.keys);
  Vec acc[kRows][kVecs];
  const TileOperands operands = {tile.head_size, tile.q, tile.ldq,
                                 tile.packed_k + key * tile.head_size, nullptr};
  multiply_tile<kRows, kVecs, false>(operands, acc);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(tile.scores + i * ld + key + v * kLanes, acc[i][v]);
  }
}

// Context of one panel of the head, from `column` on; `inverse` holds 1 / sum of each row.
template <int kRows, int kVecs>
TAMIS_INLINE void context_panel(const AttentionTile& tile, int64_t column, const float* inverse) {
  Vec acc[kRows][kVecs];
  const TileOperands operands = {tile.keys, tile.scores, round_up_lanes(tile.keys),
                                 tile.packed_v + column * tile.keys, nullptr};
  multiply_tile<kRows, kVecs, false>(operands, acc);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t left = tile.head_size - column - v * kLanes;
    float* out = tile.out + column + v * kLanes;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Vec x = acc[i][v] * set(inverse[i]);
      if (left >= kLanes) {
        store(out + i * tile.ldo, x);
      } else {
        store_first(out + i * tile.ldo, x, left);
      }
    }
  }
}

template <int kRows, int kVecs>
void attend_tile(const AttentionTile& tile) {
  constexpr int64_t kColumns = kVecs * kLanes;
  const int64_t padded_keys = round_up_lanes(tile.keys);
  int64_t key = 0;
  for (; key + kColumns <= padded_keys; key += kColumns) score_panel<kRows, kVecs>(tile, key);
  for (; key < padded_keys; key += kLanes) score_panel<kRows, 1>(tile, key);
  float inverse[kRows];
  for (int i = 0; i < kRows; ++i) {
    inverse[i] = 1.0f / exponentials(tile.scores + i * padded_keys, tile.keys, tile.scale);
  }
  const int64_t padded_head = round_up_lanes(tile.head_size);
  int64_t column = 0;
  for (; column + kColumns <= padded_head; column += kColumns) {
    context_panel<kRows, kVecs>(tile, column, inverse);
  }
  for (; column < padded_head; column += kLanes) context_panel<kRows, 1>(tile, column, inverse);
}

using AttendTile = void (*)(const AttentionTile&);

template <int kMaxRows, int kVecs>
struct Attention {
  static constexpr int64_t kColumns = kVecs * kLanes;

  template <int... kRows>
  struct Table {
    static constexpr AttendTile kTiles[] = {attend_tile<kRows, kVecs>...};
  };

  // Columns of the panel that `column` (a multiple of 16) lies in: a whole one, or 16 each at the
  // end.
  static int64_t panel_columns(int64_t column, int64_t padded) {
    return column / kColumns * kColumns + kColumns <= padded ? kColumns : kLanes;
  }

  // packed[key panel][head_size][columns] = k[key][d], missing keys zero.
  static void pack_keys(const float* k, int64_t ldk, int64_t keys, int64_t head_size,
                        float* packed) {
    const int64_t padded = round_up_lanes(keys);
    for (int64_t key = 0; key < padded; key += kLanes) {
      const int64_t columns = panel_columns(key, padded);
      const int64_t panel = key / columns * columns;
      float* out = packed + panel * head_size + (key - panel);
      for (int64_t d = 0; d < head_size; d += kLanes) {
        const int64_t depth = head_size - d < kLanes ? head_size - d : kLanes;
        Vec rows[16];
        for (int j = 0; j < 16; ++j) {
          rows[j] = key + j < keys ? load_first(k + (key + j) * ldk + d, depth) : zero();
        }
        transpose(rows);
        for (int64_t i = 0; i < depth; ++i) store(out + (d + i) * columns, rows[i]);
      }
    }
  }

  // packed[head panel][keys][columns] = v[key][d], missing d zero.
  static void pack_values(const float* v, int64_t ldv, int64_t keys, int64_t head_size,
                          float* packed) {
    const int64_t padded = round_up_lanes(head_size);
    for (int64_t column = 0; column < padded; column += kLanes) {
      const int64_t columns = panel_columns(column, padded);
      const int64_t panel = column / columns * columns;
      const int64_t count = head_size - column < kLanes ? head_size - column : kLanes;
      float* out = packed + panel * keys + (column - panel);
      for (int64_t key = 0; key < keys; ++key) {
        store(out + key * columns, load_first(v + key * ldv + column, count));
      }
    }
  }

  static size_t scratch_bytes(int64_t max_seqlen, int64_t head_size) {
    const int64_t padded_keys = round_up_lanes(max_seqlen);
    const int64_t floats = padded_keys * head_size +                 // K
                           max_seqlen * round_up_lanes(head_size) +  // V
                           kMaxRows * padded_keys;                   // scores
    return static_cast<size_t>(floats) * sizeof(float);
  }

  template <typename Tiles>
  static void run(const AttentionArgs& args, const AttentionWork& work, void* scratch) {
    const int64_t begin = args.cu_seqlens[work.sequence];
    const int64_t keys = args.cu_seqlens[work.sequence + 1] - begin;
    const int64_t rows = work.row_end - work.row_begin;
    if (rows <= 0 || keys <= 0) return;
    const int64_t head_size = args.head_size;
    float* packed_k = static_cast<float*>(scratch);
    float* packed_v = packed_k + round_up_lanes(keys) * head_size;
    float* scores = packed_v + keys * round_up_lanes(head_size);
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    for (int64_t head = work.head_begin; head < work.head_end; ++head) {
      const int64_t offset = head * head_size;
      pack_keys(args.k + begin * args.ldk + offset, args.ldk, keys, head_size, packed_k);
      pack_values(args.v + begin * args.ldv + offset, args.ldv, keys, head_size, packed_v);
      int64_t row = begin + work.row_begin;
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
        Tiles::kTiles[count - 1]({args.q + row * args.ldq + offset, args.ldq, packed_k, packed_v,
                                  scores, args.out + row * args.ldo + offset, args.ldo, keys,
                                  head_size, args.scale});
        row += count;
      }
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
