// Attention of one (sequence, head), a tile of query rows at a time: the loop nest of attention_f32
// and attention_bf16.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h and reduce_<isa>-inl.h, all in an anonymous
// namespace. A `Kind` says what a word of a packed operand is (one float32, or a pair of bf16), how
// words are loaded and multiplied, and what exp is.
//
// Two ways to the same quotient. A tile of rows takes p = 2^t straight from the scores t in the
// registers (scale and log2(e) multiplied in): a float's exponent has room for what subtracting the
// row's greatest is usually for. p of up to kKeyBlock keys (12 rows of 512 are 24 KB) stay in the
// L1 for the second product. A row whose sum of p then lies outside [2^-60, 2^60] is done again
// alone, with its scores kept and its greatest subtracted, and what was summed scaled down whenever
// a block of keys raises it. Which way a row goes is thus its own matter, never its tile's.
//
// What positions add (attention_terms-inl.h) is added to t. Panels and blocks of keys that no row
// of the tile sees are left out; in the others a key outside a row's window counts as p = 0, so
// that which rows share a tile changes no bit.
#pragma once

#include "kernels/cpu/attention_bf16/attention_bf16.h"
#include "kernels/cpu/simd/attention_terms-inl.h"

namespace tamis::kernels {
namespace {

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
  float scale;        // with log2(e)
  const float* bias;  // of row 0 and key 0, with log2(e); null: nothing is added
  int64_t bias_step;  // from row to row
  const AttentionTerms* terms;
  int64_t place;  // of row 0, where key 0 is at 0
  bool all_keys;  // there are some outside the window that each row sees
};

// Keys [begin + skip, begin + keys) are looked at.
struct KeyBlock {
  int64_t begin;
  int64_t skip;
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

// Tiles of one panel. They are functions of their own: within a larger one g++ 12 keeps other
// things in the registers of the sums.

// 2^t, 0 for a key outside the window.
template <typename Kind>
TAMIS_INLINE Vec seen_exp2(Vec t) {
  return where_less(t, set(kMasked), zero(), Kind::exp2(t));
}

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
  const auto finish = [&](const auto& to_p) TAMIS_LAMBDA {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      float* row = tile.scores + i * tile.lds;
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        const Vec score = kVecIsOneRegister ? acc[i][v] : load(row + key + v * kLanes);
        acc[i][v] = to_p(score, i, v);
        // Missing keys, which only a last panel has.
        const int64_t left = block.keys - key - v * kLanes;
        if (left < kLanes) acc[i][v] = keep_first(acc[i][v], left < 0 ? 0 : left, zero());
      }
      sums[i] = Kind::store_probabilities(row, key, acc[i], sums[i]);
    }
  };
  if (tile.bias == nullptr) {
    finish([&](Vec score, int, int) TAMIS_LAMBDA { return Kind::exp2(score * scale); });
    return;
  }
  const float* bias = tile.bias + block.begin + key;
  finish([&](Vec score, int i, int v) TAMIS_LAMBDA {
    return seen_exp2<Kind>(fma(score, scale, load(bias + i * tile.bias_step + v * kLanes)));
  });
}

// Sixteen elements of a row of a tile's context.
struct ContextPlace {
  int64_t row;
  int64_t column;
  float factor;   // what the sums of earlier blocks count for
  float inverse;  // of the row's sum of p
};

// Sums of p times v, and at last their quotient, which is the output.
TAMIS_INLINE void finish_context(const AttentionTile& tile, const KeyBlock& block,
                                 const ContextPlace& place, Vec x) {
  const auto [i, at, factor, inverse] = place;
  const int64_t left = at_most(tile.head_size - at, kLanes);
  if (left <= 0) return;  // padding alone
  float* sums = tile.context + i * tile.ldc + at;
  if (!block.first) x = fma(load(sums), set(factor), x);
  if (!block.last) {
    store(sums, x);
    return;
  }
  x = x * set(inverse);
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

// Context of one panel of the head, from `column` on.
template <typename Kind, int kRows, int kVecs>
__attribute__((noinline)) void context_panel(const AttentionTile& tile, const KeyBlock& block,
                                             int64_t column, const float* factor,
                                             const float* inverse) {
  Vec acc[kRows][kVecs];
  set_zero(acc);
  const int64_t skip = Kind::words_of(block.skip);
  const int64_t word = column * Kind::words_of(tile.keys) +
                       (Kind::words_of(block.begin) + skip) * kVecs * int64_t{kLanes};
  Kind::template multiply<kRows, kVecs>(
      Kind::words_of(block.keys) - skip,
      reinterpret_cast<const char*>(tile.scores) + skip * kWordBytes,
      tile.lds * static_cast<int64_t>(sizeof(float)), tile.packed_v + word * kWordBytes, acc);
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t at = column + v * kLanes;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      finish_context(tile, block, {i, at, factor[i], inverse[i]}, acc[i][v]);
    }
  }
}

template <typename Kind, int kRows, int kVecs>
TAMIS_INLINE void context_panels(const AttentionTile& tile, const KeyBlock& block,
                                 const float* factor, const float* inverse) {
  for_each_panel<Kind, kVecs>(0, tile.head_size, [&]<int kPanelVecs>(int64_t column) TAMIS_LAMBDA {
    context_panel<Kind, kRows, kPanelVecs>(tile, block, column, factor, inverse);
  });
}

// Calls body(block) for each block of keys that some of the tile's rows see, in whole panels.
template <int64_t kColumns, typename Body>
TAMIS_INLINE void for_each_block(const AttentionTile& tile, int64_t rows, const Body& body) {
  KeyRange seen = {0, tile.keys};
  if (tile.bias != nullptr && !tile.all_keys) {
    seen = seen_keys(*tile.terms, tile.place, tile.place + rows - 1, tile.keys);
    seen = {seen.begin / kColumns * kColumns, at_most(round_up(seen.end, kColumns), tile.keys)};
  }
  const int64_t first = seen.begin / kKeyBlock * kKeyBlock;
  for (int64_t begin = first; begin < seen.end; begin += kKeyBlock) {
    const int64_t count = at_most(seen.end - begin, kKeyBlock);
    const int64_t skip = begin == first ? seen.begin - begin : 0;
    body(KeyBlock{begin, skip, count, begin == first, begin + count == seen.end});
  }
}

// Scores of one panel of keys, from `key` of the block on, and their greatest by lanes; t where
// something is added.
template <typename Kind, int kVecs>
__attribute__((noinline)) void score_panel(const AttentionTile& tile, const KeyBlock& block,
                                           int64_t key, Vec* greatest) {
  const int64_t words = Kind::words_of(tile.head_size);
  Vec acc[1][kVecs];
  set_zero(acc);
  Kind::template multiply<1, kVecs>(words, tile.q, tile.ldq,
                                    tile.packed_k + (block.begin + key) * words * kWordBytes, acc);
  const Vec lowest = set(-3.402823466e+38f);
  const float* bias = tile.bias == nullptr ? nullptr : tile.bias + block.begin + key;
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    if (bias != nullptr) acc[0][v] = fma(acc[0][v], set(tile.scale), load(bias + v * kLanes));
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
float row_probabilities(const AttentionTile& tile, const KeyBlock& block, float greatest) {
  const Vec most = set(greatest);
  Vec sum = zero();
  for (int64_t j = block.skip; j < round_up(block.keys, Kind::kPadding); j += kLanes) {
    const Vec score = load(tile.scores + j);
    const Vec p[1] = {tile.bias == nullptr
                          ? Kind::exp2((score - most) * set(tile.scale))
                          : where_less(score, set(kMasked), zero(), Kind::exp2(score - most))};
    sum = Kind::store_probabilities(tile.scores, j, p, sum);
  }
  return sum_lanes(sum);
}

// A tile of one row, its greatest score subtracted.
template <typename Kind, int kVecs>
__attribute__((noinline)) void attend_row(const AttentionTile& tile) {
  float greatest = 0;
  float sum = 0;
  const float scale = tile.bias == nullptr ? tile.scale : 1;
  for_each_block<kVecs * kLanes>(tile, 1, [&](const KeyBlock& block) {
    Vec by_lanes = set(-3.402823466e+38f);
    for_each_panel<Kind, kVecs>(block.skip, block.keys,
                                [&]<int kPanelVecs>(int64_t key) TAMIS_LAMBDA {
                                  score_panel<Kind, kPanelVecs>(tile, block, key, &by_lanes);
                                });
    const float before = greatest;
    const float of_block = max_lanes(by_lanes);
    greatest = block.first || of_block > before ? of_block : before;
    float factor[kLanes];
    store(factor, Kind::exp2(set((before - greatest) * scale)));
    const float of_keys = row_probabilities<Kind>(tile, block, greatest);
    sum = block.first ? of_keys : sum * factor[0] + of_keys;
    const float inverse = 1.0f / sum;
    context_panels<Kind, 1, kVecs>(tile, block, factor, &inverse);
  });
}

// Row `i` alone, if its sum of p is out of range.
template <typename Kind, int kVecs>
TAMIS_INLINE void attend_row_again(const AttentionTile& tile, int64_t i, float sum) {
  if (sum >= 0x1p-60f && sum <= 0x1p60f) return;
  AttentionTile row = tile;
  row.q += i * tile.ldq;
  row.place += i;
  if (row.bias != nullptr) row.bias += i * tile.bias_step;
  move_output(row, i * tile.ldo);
  attend_row<Kind, kVecs>(row);
}

template <typename Kind, int kRows, int kVecs>
void attend_tile(const AttentionTile& tile) {
  Vec by_lanes[kRows];
  for (int i = 0; i < kRows; ++i) by_lanes[i] = zero();
  float ones[16];
  float sum[16] = {};
  float inverse[16];
  store(ones, set(1.0f));
  for_each_block<kVecs * kLanes>(tile, kRows, [&](const KeyBlock& block) {
    for_each_panel<Kind, kVecs>(
        block.skip, block.keys, [&]<int kPanelVecs>(int64_t key) TAMIS_LAMBDA {
          probability_panel<Kind, kRows, kPanelVecs>(tile, block, key, by_lanes);
        });
    over_lanes(
        by_lanes, [](Vec a, Vec b) TAMIS_LAMBDA { return a + b; }, sum);
    store(inverse, set(1.0f) / load(sum));
    context_panels<Kind, kRows, kVecs>(tile, block, ones, inverse);
  });
  for (int i = 0; i < kRows; ++i) attend_row_again<Kind, kVecs>(tile, i, sum[i]);
}

using AttendTile = void (*)(const AttentionTile&);

template <typename Kind, int kMaxRows, int kVecs>
struct Attention {
  using Pack = AttentionPack<Kind, kMaxRows, kVecs>;
  using Terms = HeadTerms<Kind, kMaxRows, kVecs>;
  static_assert(kKeyBlock % Pack::kColumns == 0);

  // Runs a tile of so many rows, 1 to kMaxRows; one object a call of run().
  template <int... kRows>
  struct Table {
    static constexpr AttendTile kTiles[] = {attend_tile<Kind, kRows, kVecs>...};
    void operator()(const AttentionTile& tile, int64_t rows) const { kTiles[rows - 1](tile); }
  };

  static size_t scratch_bytes(int64_t max_seqlen, int64_t head_size, const AttentionTerms& terms) {
    return static_cast<size_t>(typename Pack::Scratch(max_seqlen, head_size, terms).bytes);
  }

  template <typename Tiles>
  static void run(const AttentionBf16Args& args, const AttentionWork& work, void* memory) {
    const int64_t length = args.cu_seqlens[work.sequence + 1] - args.cu_seqlens[work.sequence];
    if (work.row_end <= work.row_begin || length <= 0) return;
    const int64_t group = args.kv_heads == 0 ? 1 : args.heads / args.kv_heads;
    const reference::TokenRange range =
        reference::global_keys(args.terms, args.cu_seqlens[work.sequence], length);
    const KeyRules rules = {{range.begin, range.end},
                            reference::sequence_blocks(args.terms, length)};
    Tiles run_tile;
    for (int64_t head = work.head_begin; head < work.head_end;) {
      // Heads that share keys and values.
      AttentionWork part = work;
      part.head_begin = head;
      head = part.head_end = at_most((head / group + 1) * group, work.head_end);
      if (!args.terms.windowed() || rules.any()) {
        run_rows_and_keys(args, part, {{0, length}, rules}, memory, run_tile);
        continue;
      }
      // So many rows at once that the keys around them stay in the L2.
      for (int64_t row = work.row_begin; row < work.row_end; row += kKeyBlock) {
        part.row_begin = row;
        part.row_end = at_most(row + kKeyBlock, work.row_end);
        const KeyRange seen = seen_keys(args.terms, part.row_begin + work.shift,
                                        part.row_end - 1 + work.shift, length);
        // Blocks stay where they are for all rows.
        const KeyRange keys = {seen.begin / kKeyBlock * kKeyBlock, seen.end};
        run_rows_and_keys(args, part, {keys, rules}, memory, run_tile);
      }
    }
  }

 private:
  // Keys of a sequence that a piece of work looks at.
  struct WorkKeys {
    KeyRange keys;
    KeyRules rules;
  };

  // All heads of `work` read the same keys and values.
  template <typename Tiles>
  static void run_rows_and_keys(const AttentionBf16Args& args, const AttentionWork& work,
                                const WorkKeys& seen, void* memory, Tiles& run_tile) {
    const KeyRange keys = seen.keys;
    const int64_t count = keys.end - keys.begin;
    const typename Pack::Scratch scratch(count, args.head_size, args.terms);
    auto* packed = static_cast<char*>(memory);
    AttentionTile tile = {};
    tile.packed_k = packed;
    tile.packed_v = packed + scratch.v;
    tile.scores = reinterpret_cast<float*>(packed + scratch.scores);
    tile.lds = scratch.lds;
    tile.context = reinterpret_cast<float*>(packed + scratch.context);
    tile.ldc = scratch.ldc;
    tile.ldo = args.ldo;
    tile.keys = count;
    tile.head_size = args.head_size;
    tile.scale = args.scale * kLog2E;
    tile.terms = &args.terms;
    tile.place = work.row_begin + work.shift - keys.begin;
    tile.all_keys = seen.rules.any();
    const int64_t group = args.kv_heads == 0 ? 1 : args.heads / args.kv_heads;
    const int64_t begin = args.cu_seqlens[work.sequence] + keys.begin;
    const int64_t kv_column = work.head_begin / group * args.head_size;
    const AttentionOperand k = Pack::rows_of(args.k, begin, kv_column);
    const AttentionOperand v = Pack::rows_of(args.v, begin, kv_column);
    Pack::pack_keys(k, count, args.head_size, packed);
    Pack::pack_values(v, count, args.head_size, packed + scratch.v);
    const int64_t last_place = tile.place + work.row_end - work.row_begin - 1;
    for (int64_t head = work.head_begin; head < work.head_end; ++head) {
      const Terms terms = args.terms.any() ? Terms::make(args, head, {k, count, seen.rules},
                                                         last_place, scratch, packed)
                                           : Terms{};
      run_rows(args, work, {head * args.head_size, packed + scratch.q}, terms, tile, run_tile);
    }
  }

  // Where a head's queries and output begin, and memory for queries that are copied.
  struct HeadRows {
    int64_t column;
    char* q;
  };

  template <typename Tiles>
  static void run_rows(const AttentionBf16Args& args, const AttentionWork& work,
                       const HeadRows& head, const Terms& terms, AttentionTile tile,
                       Tiles& run_tile) {
    const int64_t rows = work.row_end - work.row_begin;
    const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
    int64_t row = args.cu_seqlens[work.sequence] + work.row_begin;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
      const bool as_it_is =
          terms.slots == nullptr && Kind::multiplies_as_it_is(args.q, args.head_size, count);
      const AttentionOperand rows_of_q = Pack::rows_of(args.q, row, head.column);
      if (as_it_is) {
        const bool bf16 = rows_of_q.bf16 != nullptr;
        tile.q = bf16 ? reinterpret_cast<const char*>(rows_of_q.bf16)
                      : reinterpret_cast<const char*>(rows_of_q.f32);
        tile.ldq = rows_of_q.ld * (bf16 ? 2 : 4);
      } else {
        tile.q = head.q;
        tile.ldq = Kind::words_of(args.head_size) * kWordBytes;
        Pack::copy_rows(rows_of_q, count, args.head_size, head.q);
      }
      const int64_t at = row * args.ldo + head.column;
      tile.out = args.out;
      tile.out_bf16 = args.out_bf16;
      tile.out_f16 = args.out_f16;
      move_output(tile, at);
      if (terms.line != nullptr) {
        const TileBias bias = terms.bias_of({tile.q, count, tile.place, tile.keys, tile.scale});
        tile.bias = bias.first;
        tile.bias_step = bias.step;
      }
      run_tile(tile, count);
      row += count;
      tile.place += count;
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
