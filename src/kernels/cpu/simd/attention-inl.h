// Attention of one (sequence, head), a tile of query rows at a time: the loop nest of attention_f32
// and attention_bf16.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h and reduce_<isa>-inl.h, all in an anonymous
// namespace. A `Kind` says what a word of a packed operand is (one float32, or a pair of bf16), how
// words are loaded and multiplied, and what exp is.
//
// K is packed as [panel of keys][words of the head][keys], V as [panel of the head][words of
// keys][columns], both once a call and head, in panels of kVecs * 16 whose last may be narrower.
//
// Two ways to the same quotient. A tile of rows takes p = 2^t straight from the scores t in the
// registers (scale and log2(e) multiplied in): a float's exponent has room for what subtracting the
// row's greatest is usually for. p of up to kKeyBlock keys (12 rows of 512 are 24 KB) stay in the
// L1 for the second product. A row whose sum of p then lies outside [2^-60, 2^60] is done again
// alone, with its scores kept and its greatest subtracted, and what was summed scaled down whenever
// a block of keys raises it. Which way a row goes is thus its own matter, never its tile's.
#pragma once

#include "kernels/cpu/attention_bf16/attention_bf16.h"

namespace tamis::kernels {
namespace {

constexpr int64_t kKeyBlock = 512;
constexpr int64_t kWordBytes = 4;

TAMIS_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
TAMIS_INLINE int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

// out[i] = `combine` over the lanes of x[i].
template <int kRows, typename Combine>
TAMIS_INLINE void over_lanes(const Vec (&x)[kRows], const Combine& combine, float (&out)[16]) {
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i += 4) {
    const Vec four[4] = {x[i], x[i + 1 < kRows ? i + 1 : i], x[i + 2 < kRows ? i + 2 : i],
                         x[i + 3 < kRows ? i + 3 : i]};
    store(out + i, over_lanes(four, combine));
  }
}

// A tile of query rows of one head.
struct AttentionTile {
  const char* q;
  int64_t ldq;  // bytes
  const char* packed_k;
  const char* packed_v;
  float* scores;  // [rows, lds]
  int64_t lds;
  float* context;  // [rows, ldc]: sums of all key blocks but the last
  int64_t ldc;
  float* out;
  uint16_t* out_bf16;  // or null, as
  uint16_t* out_f16;
  int64_t ldo;
  int64_t keys;
  int64_t head_size;
  float scale;  // with log2(e)
};

struct KeyBlock {
  int64_t begin;
  int64_t keys;
  bool first;
  bool last;
};

// The output from that element on.
TAMIS_INLINE void move_output(AttentionTile& tile, int64_t elements) {
  if (tile.out_bf16 != nullptr) {
    tile.out_bf16 += elements;
  } else if (tile.out_f16 != nullptr) {
    tile.out_f16 += elements;
  } else {
    tile.out += elements;
  }
}

template <int kRows, int kVecs>
TAMIS_INLINE void set_zero(Vec (&acc)[kRows][kVecs]) {
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[i][v] = zero();
  }
}

// Tiles of one panel. They are functions of their own: within a larger one g++ 12 keeps other
// things in the registers of the sums.

// p of one panel of keys, from `key` of the block on, stored and added to `sums` by lanes.
template <typename Kind, int kRows, int kVecs>
__attribute__((noinline)) void probability_panel(const AttentionTile& tile, const KeyBlock& block,
                                                 int64_t key, Vec* sums) {
  const int64_t words = Kind::words_of(tile.head_size);
  Vec acc[kRows][kVecs];
  set_zero(acc);
  Kind::template multiply<kRows, kVecs>(
      words, tile.q, tile.ldq, tile.packed_k + (block.begin + key) * words * kWordBytes, acc);
  if constexpr (!kVecIsOneRegister) {
    // Too few registers for exp beside the sums.
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        store(tile.scores + i * tile.lds + key + v * kLanes, acc[i][v]);
      }
    }
  }
  const Vec scale = set(tile.scale);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* row = tile.scores + i * tile.lds;
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const Vec score = kVecIsOneRegister ? acc[i][v] : load(row + key + v * kLanes);
      acc[i][v] = Kind::exp2(score * scale);
      // Missing keys, which only a last panel has.
      const int64_t left = block.keys - key - v * kLanes;
      if (left < kLanes) acc[i][v] = keep_first(acc[i][v], left < 0 ? 0 : left, zero());
    }
    sums[i] = Kind::store_probabilities(row, key, acc[i], sums[i]);
  }
}

// Context of one panel of the head, from `column` on: sums of p times what they count for, and at
// last times `inverse` of each row.
template <typename Kind, int kRows, int kVecs>
__attribute__((noinline)) void context_panel(const AttentionTile& tile, const KeyBlock& block,
                                             int64_t column, const float* factor,
                                             const float* inverse) {
  Vec acc[kRows][kVecs];
  set_zero(acc);
  const int64_t word =
      column * Kind::words_of(tile.keys) + Kind::words_of(block.begin) * kVecs * int64_t{kLanes};
  Kind::template multiply<kRows, kVecs>(
      Kind::words_of(block.keys), reinterpret_cast<const char*>(tile.scores),
      tile.lds * static_cast<int64_t>(sizeof(float)), tile.packed_v + word * kWordBytes, acc);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t at = column + v * kLanes;
    const int64_t left = at_most(tile.head_size - at, kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      Vec x = acc[i][v];
      float* sums = tile.context + i * tile.ldc + at;
      if (!block.first) x = fma(load(sums), set(factor[i]), x);
      if (!block.last) {
        store(sums, x);
        continue;
      }
      x = x * set(inverse[i]);
      const int64_t element = i * tile.ldo + at;
      if (tile.out_bf16 != nullptr) {
        store_bf16_first(tile.out_bf16 + element, x, left);
      } else if (tile.out_f16 != nullptr) {
        store_f16_first(tile.out_f16 + element, x, left);
      } else if (left == kLanes) {
        store(tile.out + element, x);
      } else {
        store_first(tile.out + element, x, left);
      }
    }
  }
}

template <typename Kind, int kRows, int kVecs>
TAMIS_INLINE void context_panels(const AttentionTile& tile, const KeyBlock& block,
                                 const float* factor, const float* inverse) {
  const int64_t padded = round_up(tile.head_size, kLanes);
  int64_t column = 0;
  for (; column + kVecs * kLanes <= padded; column += kVecs * kLanes) {
    context_panel<Kind, kRows, kVecs>(tile, block, column, factor, inverse);
  }
  for (; column < padded; column += kLanes) {
    context_panel<Kind, kRows, 1>(tile, block, column, factor, inverse);
  }
}

// Calls body(block) for each block of keys.
template <typename Body>
TAMIS_INLINE void for_each_block(int64_t keys, const Body& body) {
  for (int64_t begin = 0; begin < keys; begin += kKeyBlock) {
    const int64_t count = at_most(keys - begin, kKeyBlock);
    body(KeyBlock{begin, count, begin == 0, begin + count == keys});
  }
}

// Scores of one panel of keys, from `key` of the block on, and their greatest by lanes.
template <typename Kind, int kVecs>
__attribute__((noinline)) void score_panel(const AttentionTile& tile, const KeyBlock& block,
                                           int64_t key, Vec* greatest) {
  const int64_t words = Kind::words_of(tile.head_size);
  Vec acc[1][kVecs];
  set_zero(acc);
  Kind::template multiply<1, kVecs>(words, tile.q, tile.ldq,
                                    tile.packed_k + (block.begin + key) * words * kWordBytes, acc);
  const Vec lowest = set(-3.402823466e+38f);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    // Missing keys, which only a last panel has, can be no row's greatest, and their p is 2^-126 or
    // less: nothing beside the 1 of the greatest.
    const int64_t left = block.keys - key - v * kLanes;
    if (left < kLanes) acc[0][v] = keep_first(acc[0][v], left < 0 ? 0 : left, lowest);
    store(tile.scores + key + v * kLanes, acc[0][v]);
    *greatest = max(*greatest, acc[0][v]);
  }
}

// A row's scores become p, in place; returns their sum.
template <typename Kind>
float row_probabilities(float* row, int64_t keys, float scale, float greatest) {
  const Vec most = set(greatest);
  Vec sum = zero();
  for (int64_t j = 0; j < keys; j += kLanes) {
    const Vec p[1] = {Kind::exp2((load(row + j) - most) * set(scale))};
    sum = Kind::store_probabilities(row, j, p, sum);
  }
  return sum_lanes(sum);
}

// A tile of one row, its greatest score subtracted.
template <typename Kind, int kVecs>
__attribute__((noinline)) void attend_row(const AttentionTile& tile) {
  float greatest = 0;
  float sum = 0;
  for_each_block(tile.keys, [&](const KeyBlock& block) {
    Vec by_lanes = set(-3.402823466e+38f);
    const int64_t padded = round_up(block.keys, kLanes);
    int64_t key = 0;
    for (; key + kVecs * kLanes <= padded; key += kVecs * kLanes) {
      score_panel<Kind, kVecs>(tile, block, key, &by_lanes);
    }
    for (; key < padded; key += kLanes) score_panel<Kind, 1>(tile, block, key, &by_lanes);
    const float before = greatest;
    const float of_block = max_lanes(by_lanes);
    greatest = block.first || of_block > before ? of_block : before;
    float factor[kLanes];
    store(factor, Kind::exp2(set((before - greatest) * tile.scale)));
    const float of_keys = row_probabilities<Kind>(tile.scores, block.keys, tile.scale, greatest);
    sum = block.first ? of_keys : sum * factor[0] + of_keys;
    const float inverse = 1.0f / sum;
    context_panels<Kind, 1, kVecs>(tile, block, factor, &inverse);
  });
}

template <typename Kind, int kRows, int kVecs>
void attend_tile(const AttentionTile& tile) {
  Vec by_lanes[kRows];
  for (int i = 0; i < kRows; ++i) by_lanes[i] = zero();
  float ones[16];
  float sum[16] = {};
  float inverse[16];
  store(ones, set(1.0f));
  for_each_block(tile.keys, [&](const KeyBlock& block) {
    const int64_t padded = round_up(block.keys, kLanes);
    int64_t key = 0;
    for (; key + kVecs * kLanes <= padded; key += kVecs * kLanes) {
      probability_panel<Kind, kRows, kVecs>(tile, block, key, by_lanes);
    }
    for (; key < padded; key += kLanes) {
      probability_panel<Kind, kRows, 1>(tile, block, key, by_lanes);
    }
    over_lanes(
        by_lanes, [](Vec a, Vec b) TAMIS_LAMBDA { return a + b; }, sum);
    store(inverse, set(1.0f) / load(sum));
    context_panels<Kind, kRows, kVecs>(tile, block, ones, inverse);
  });
  for (int i = 0; i < kRows; ++i) {
    if (sum[i] >= 0x1p-60f && sum[i] <= 0x1p60f) continue;
    AttentionTile row = tile;
    row.q += i * tile.ldq;
    move_output(row, i * tile.ldo);
    attend_row<Kind, kVecs>(row);
  }
}

using AttendTile = void (*)(const AttentionTile&);

template <typename Kind, int kMaxRows, int kVecs>
struct Attention {
  static constexpr int64_t kColumns = kVecs * kLanes;
  static_assert(kKeyBlock % kColumns == 0);

  template <int... kRows>
  struct Table {
    static constexpr AttendTile kTiles[] = {attend_tile<Kind, kRows, kVecs>...};
  };

  // Where a worker's scratch holds what, in bytes, each a multiple of 64; K is first.
  struct Scratch {
    Scratch(int64_t keys, int64_t head_size)
        : ldq(Kind::words_of(head_size) * kWordBytes),
          // 16 more than needed: rows at a stride of 2 KB would share a few sets of the L1.
          lds(round_up(at_most(keys, kKeyBlock), kLanes) + kLanes),
          ldc(round_up(head_size, kLanes)),
          v(round_up(keys, kLanes) * ldq),
          q(v + Kind::words_of(keys) * ldc * kWordBytes),
          scores(q + round_up(kMaxRows * ldq, 64)),
          context(scores + kMaxRows * lds * kWordBytes),
          bytes(context + (keys > kKeyBlock ? kMaxRows * ldc * kWordBytes : 0)) {}

    int64_t ldq, lds, ldc;
    int64_t v, q, scores, context, bytes;
  };

  static size_t scratch_bytes(int64_t max_seqlen, int64_t head_size) {
    return static_cast<size_t>(Scratch(max_seqlen, head_size).bytes);
  }

  template <typename Tiles>
  static void run(const AttentionBf16Args& args, const AttentionWork& work, void* memory) {
    const int64_t begin = args.cu_seqlens[work.sequence];
    const int64_t keys = args.cu_seqlens[work.sequence + 1] - begin;
    if (work.row_end <= work.row_begin || keys <= 0) return;
    const Scratch scratch(keys, args.head_size);
    auto* packed = static_cast<char*>(memory);
    AttentionTile tile = {};
    tile.packed_k = packed;
    tile.packed_v = packed + scratch.v;
    tile.scores = reinterpret_cast<float*>(packed + scratch.scores);
    tile.lds = scratch.lds;
    tile.context = reinterpret_cast<float*>(packed + scratch.context);
    tile.ldc = scratch.ldc;
    tile.ldo = args.ldo;
    tile.keys = keys;
    tile.head_size = args.head_size;
    tile.scale = args.scale * 1.44269504f;
    for (int64_t head = work.head_begin; head < work.head_end; ++head) {
      const int64_t column = head * args.head_size;
      pack_keys(rows_of(args.k, begin, column), keys, args.head_size, packed);
      pack_values(rows_of(args.v, begin, column), keys, args.head_size, packed + scratch.v);
      run_rows<Tiles>(args, work, column, packed + scratch.q, tile);
    }
  }

 private:
  // The operand from that row and column on.
  static AttentionOperand rows_of(AttentionOperand operand, int64_t row, int64_t column) {
    const int64_t at = row * operand.ld + column;
    if (operand.bf16 != nullptr) {
      operand.bf16 += at;
    } else {
      operand.f32 += at;
    }
    return operand;
  }

  // Columns of the panel that `column` (a multiple of 16) lies in: a whole one, or 16 each at the
  // end.
  static int64_t panel_columns(int64_t column, int64_t padded) {
    return column / kColumns * kColumns + kColumns <= padded ? kColumns : kLanes;
  }

  static void pack_keys(const AttentionOperand& k, int64_t keys, int64_t head_size, char* packed) {
    const int64_t padded = round_up(keys, kLanes);
    const int64_t words = Kind::words_of(head_size);
    for (int64_t key = 0; key < padded; key += kLanes) {
      const int64_t columns = panel_columns(key, padded);
      const int64_t panel = key / columns * columns;
      char* out = packed + (panel * words + (key - panel)) * kWordBytes;
      for (int64_t word = 0; word < words; word += kLanes) {
        Vec rows[16];
        for (int j = 0; j < 16; ++j) {
          rows[j] = key + j < keys ? Kind::load_words(k, key + j, word, head_size) : zero();
        }
        transpose(rows);
        const int64_t depth = at_most(words - word, kLanes);
        for (int64_t i = 0; i < depth; ++i) {
          store(reinterpret_cast<float*>(out + (word + i) * columns * kWordBytes), rows[i]);
        }
      }
    }
  }

  static void pack_values(const AttentionOperand& v, int64_t keys, int64_t head_size,
                          char* packed) {
    const int64_t padded = round_up(head_size, kLanes);
    int64_t column = 0;
    for (; column + kColumns <= padded; column += kColumns) {
      pack_value_panel<kVecs>(v, keys, column, head_size, packed);
    }
    for (; column < padded; column += kLanes) {
      pack_value_panel<1>(v, keys, column, head_size, packed);
    }
  }

  template <int kPanelVecs>
  static void pack_value_panel(const AttentionOperand& v, int64_t keys, int64_t column,
                               int64_t head_size, char* packed) {
    const int64_t words = Kind::words_of(keys);
    const int64_t count = at_most(head_size - column, kPanelVecs * kLanes);
    auto* out = reinterpret_cast<float*>(packed + column * words * kWordBytes);
    for (int64_t word = 0; word < words; ++word) {
      Vec values[kPanelVecs];
      Kind::load_values(v, word, keys, column, count, values);
#pragma GCC unroll 8
      for (int i = 0; i < kPanelVecs; ++i) store(out + i * kLanes, values[i]);
      out += kPanelVecs * kLanes;
    }
  }

  template <typename Tiles>
  static void run_rows(const AttentionBf16Args& args, const AttentionWork& work, int64_t column,
                       char* q, AttentionTile& tile) {
    const int64_t rows = work.row_end - work.row_begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    int64_t row = args.cu_seqlens[work.sequence] + work.row_begin;
    const bool as_it_is = Kind::multiplies_as_it_is(args.q, args.head_size);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
      const AttentionOperand rows_of_q = rows_of(args.q, row, column);
      if (as_it_is) {
        const bool bf16 = rows_of_q.bf16 != nullptr;
        tile.q = bf16 ? reinterpret_cast<const char*>(rows_of_q.bf16)
                      : reinterpret_cast<const char*>(rows_of_q.f32);
        tile.ldq = rows_of_q.ld * (bf16 ? 2 : 4);
      } else {
        tile.q = q;
        tile.ldq = Kind::words_of(args.head_size) * kWordBytes;
        copy_rows(rows_of_q, count, args.head_size, q);
      }
      const int64_t at = row * args.ldo + column;
      tile.out = args.out;
      tile.out_bf16 = args.out_bf16;
      tile.out_f16 = args.out_f16;
      move_output(tile, at);
      Tiles::kTiles[count - 1](tile);
      row += count;
    }
  }

  static void copy_rows(const AttentionOperand& q, int64_t rows, int64_t head_size, char* out) {
    const int64_t words = Kind::words_of(head_size);
    auto* to = reinterpret_cast<float*>(out);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t word = 0; word < words; word += kLanes) {
        store_first(to + i * words + word, Kind::load_words(q, i, word, head_size),
                    at_most(words - word, kLanes));
      }
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
