// What positions add to the scores of attention-inl.h.
//
// Is: for per-ISA files, included by attention-inl.h, all in an anonymous namespace. Sums that go
// by distance alone are one line of floats for a head, which each query row reads from a place of
// its own. Products of queries and keys with position tables (disentangled attention) are made
// whole, for all slots, and gathered into a matrix of the tile's rows and all keys.
#pragma once

#include "kernels/cpu/simd/attention_pack-inl.h"
#include "kernels/reference/attention_blocks.h"
#include "kernels/reference/global_tokens.h"

namespace tamis::kernels {
namespace {

constexpr float kLog2E = 1.44269504f;
// What a key outside the window has for a score; anything below kMasked is one.
constexpr float kOutside = -3.402823466e+38f;
constexpr float kMasked = -1e30f;

// Keys [begin, end) of a sequence.
struct KeyRange {
  int64_t begin;
  int64_t end;
};

// Those that queries at places [first, last] see, of `keys`.
TAMIS_INLINE KeyRange seen_keys(const AttentionTerms& terms, int64_t first, int64_t last,
                                int64_t keys) {
  const int64_t begin = first > terms.left ? first - terms.left : 0;
  return {begin, at_most(keys, last + at_most(terms.right, keys) + 1)};
}

// line[i] = table[i - origin] for i in [0, count), the table going from -reach to reach.
template <typename T, typename Convert>
void spread_by_distance(const T* table, int64_t reach, int64_t origin, int64_t count,
                        const Convert& convert, T* line) {
  const int64_t low = origin > reach ? at_most(origin - reach, count) : 0;
  const int64_t high = at_most(origin + reach, count);
  const T first = convert(table[0]);
  const T last = convert(table[2 * reach]);
  int64_t i = 0;
  for (; i < low; ++i) line[i] = first;
  const T* from = table + reach - origin;
  for (; i < high; ++i) line[i] = convert(from[i]);
  for (; i < count; ++i) line[i] = last;
}

// By distance, times log2(e): what is added, kOutside where the window does not reach.
inline void fill_bias_line(const AttentionTerms& terms, int64_t head, int64_t origin, int64_t count,
                           float* line) {
  if (terms.bias == nullptr) {
    for (int64_t i = 0; i < count; ++i) line[i] = 0;
  } else {
    spread_by_distance(
        terms.bias + head * (2 * terms.bias_reach + 1), terms.bias_reach, origin, count,
        [](float x) TAMIS_LAMBDA { return x * kLog2E; }, line);
  }
  const int64_t seen = origin > terms.left ? at_most(origin - terms.left, count) : 0;
  for (int64_t i = 0; i < seen; ++i) line[i] = kOutside;
  for (int64_t i = origin + at_most(terms.right, count) + 1; i < count; ++i) line[i] = kOutside;
}

// Rows of words, and a packed panel of slots.
struct SlotPanel {
  const char* a;
  int64_t lda;  // bytes
  const char* packed;
  int64_t words;
};

template <typename Kind, int kRows, int kVecs>
__attribute__((noinline)) void slot_panel(const SlotPanel& panel, int64_t rows, float* out,
                                          int64_t ldo) {
  Vec acc[kRows][kVecs];
  set_zero(acc);
  Kind::template multiply<kRows, kVecs>(panel.words, panel.a, panel.lda, panel.packed, acc);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    if (i >= rows) return;
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(out + i * ldo + v * kLanes, acc[i][v]);
  }
}

// A position table for one head, packed as keys are.
struct PackedSlots {
  const char* packed;  // null: there is none
  int64_t slots;
  int64_t words;  // of the head
};

// out [rows, ldo] = a [kRows, words] times the slots; only `rows` are stored.
template <typename Kind, int kRows, int kVecs>
void multiply_slots(const char* a, const PackedSlots& table, int64_t rows, float* out,
                    int64_t ldo) {
  const int64_t words = table.words;
  const int64_t lda = words * kWordBytes;
  const char* packed = table.packed;
  for_each_panel<Kind, kVecs>(0, table.slots, [&]<int kPanelVecs>(int64_t slot) TAMIS_LAMBDA {
    slot_panel<Kind, kRows, kPanelVecs>({a, lda, packed + slot * lda, words}, rows, out + slot,
                                        ldo);
  });
}

// One query row's sums: scale * (its own product at each key's slot + the key's) + what the line
// says.
struct DisentangledRow {
  const float* line;      // at key 0
  const int32_t* slots;   // at key 0
  const float* of_query;  // [slots], or null
  const float* of_keys;   // [keys, ld], or null
  int64_t ld;
  float scale;  // with log2(e)
};

TAMIS_INLINE void fill_row(const DisentangledRow& row, int64_t keys, float* out) {
  const Vec scale = set(row.scale);
  for (int64_t key = 0; key < keys; key += kLanes) {
    Vec sum = zero();
    if (row.of_query != nullptr) sum = gather(row.of_query, row.slots + key, 0);
    if (row.of_keys != nullptr) {
      sum = sum + gather(row.of_keys + key * row.ld, row.slots + key, row.ld);
    }
    store(out + key, fma(sum, scale, load(row.line + key)));
  }
}

// One query row's sums where all queries see the keys `global` beside those of their window.
TAMIS_INLINE void fill_window_row(const float* line, KeyRange global, int64_t keys, float* out) {
  for (int64_t key = 0; key < keys; key += kLanes) store(out + key, load(line + key));
  for (int64_t key = global.begin; key < global.end; ++key) out[key] = 0;
}

inline void fill(float* out, KeyRange keys, float value) {
  for (int64_t key = keys.begin; key < keys.end; ++key) out[key] = value;
}

// One query row's sums where keys are seen by their blocks.
inline void fill_block_row(const reference::SequenceBlocks& blocks, int64_t place, int64_t keys,
                           float* out) {
  if (place < blocks.size || place / blocks.size == blocks.last) {
    fill(out, {0, keys}, 0);
    return;
  }
  const int64_t around = place / blocks.size * blocks.size;
  fill(out, {0, keys}, kOutside);
  fill(out, {around - blocks.size, at_most(keys, around + 2 * blocks.size)}, 0);
  fill(out, {blocks.last * blocks.size, keys}, 0);
  fill(out, {0, blocks.size}, blocks.gain * kLog2E);
}

// What a sequence's ids and length decide.
struct KeyRules {
  KeyRange global;  // keys that all queries see
  reference::SequenceBlocks blocks;

  // Whether rows see some keys far from them.
  bool any() const { return global.begin < global.end || blocks.size != 0; }
};

// A head's keys, from key 0 on.
struct HeadKeys {
  AttentionOperand operand;
  int64_t keys;
  KeyRules rules;
};

// Slots [first, first + count).
struct SlotRange {
  int64_t first;
  int64_t count;
};

// What is added to a tile's scores: of row 0 and key 0, and how far on the next row's is.
struct TileBias {
  const float* first;
  int64_t step;
};

// Query rows of a tile, packed as words; the first one's place where key 0 is at 0.
struct TileRows {
  const char* q;
  int64_t rows;
  int64_t place;
  int64_t keys;
  float scale;  // with log2(e)
};

// What positions add to the scores of one head, over memory of the worker's scratch.
template <typename Kind, int kMaxRows, int kVecs>
struct HeadTerms {
  using Pack = AttentionPack<Kind, kMaxRows, kVecs>;
  using Scratch = typename Pack::Scratch;

  const float* line;     // of a query at place 0 and key 0; null: nothing is added
  const int32_t* slots;  // the same; null: not disentangled
  PackedSlots position_keys;
  float* of_query;       // [kMaxRows, ld_slots]
  const float* of_keys;  // [keys, ld_slots], or null
  float* matrix;         // [kMaxRows, ld_matrix]
  int64_t ld_slots, ld_matrix;
  KeyRules rules;  // with any, key 0 is the sequence's first

  // For the head's keys k and query rows up to `last_place`.
  static HeadTerms make(const AttentionBf16Args& args, int64_t head, const HeadKeys& k,
                        int64_t last_place, const Scratch& scratch, char* memory) {
    const AttentionTerms& terms = args.terms;
    // The line starts at the last row's distance to key 0.
    const int64_t count = last_place + round_up(k.keys, Pack::kColumns) + 1;
    auto* line = reinterpret_cast<float*>(memory + scratch.line);
    fill_bias_line(terms, head, last_place, count, line);
    HeadTerms result = {};
    result.line = line + last_place;
    result.rules = k.rules;
    result.ld_matrix = scratch.ld_matrix;
    result.matrix = reinterpret_cast<float*>(memory + scratch.matrix);
    if (!terms.disentangled()) return result;
    result.ld_slots = scratch.ld_slots;
    auto* slots = reinterpret_cast<int32_t*>(memory + scratch.slot_line);
    const SlotRange range = result.fill_slots(terms, last_place, count, slots);
    const int64_t at = range.first * terms.ld_positions + head * args.head_size;
    const auto pack = [&](const float* table, char* packed) {
      Pack::pack_keys({table + at, nullptr, terms.ld_positions}, range.count, args.head_size,
                      packed);
      return PackedSlots{packed, range.count, Kind::words_of(args.head_size)};
    };
    if (terms.position_keys != nullptr) {
      result.position_keys = pack(terms.position_keys, memory + scratch.position_keys);
      result.of_query = reinterpret_cast<float*>(memory + scratch.of_query);
    }
    if (terms.position_queries != nullptr) {
      const PackedSlots table = pack(terms.position_queries, memory + scratch.position_queries);
      auto* of_keys = reinterpret_cast<float*>(memory + scratch.of_keys);
      result.multiply_keys(k, args.head_size, table, memory + scratch.q, of_keys);
      result.of_keys = of_keys;
    }
    return result;
  }

  // For the rows of one tile; what it points at holds until the next call.
  TileBias bias_of(const TileRows& tile) const {
    if (rules.any()) {
      for (int64_t i = 0; i < tile.rows; ++i) {
        const int64_t place = tile.place + i;
        float* row = matrix + i * ld_matrix;
        if (rules.blocks.size != 0) {
          fill_block_row(rules.blocks, place, tile.keys, row);
        } else {
          fill_window_row(line - place, rules.global, tile.keys, row);
        }
      }
      return {matrix, ld_matrix};
    }
    if (slots == nullptr) return {line - tile.place, -1};
    const bool by_query = position_keys.packed != nullptr;
    if (by_query) {
      multiply_slots<Kind, kMaxRows, kVecs>(tile.q, position_keys, tile.rows, of_query, ld_slots);
    }
    for (int64_t i = 0; i < tile.rows; ++i) {
      const int64_t place = tile.place + i;
      fill_row({line - place, slots - place, by_query ? of_query + i * ld_slots : nullptr, of_keys,
                ld_slots, tile.scale},
               tile.keys, matrix + i * ld_matrix);
    }
    return {matrix, ld_matrix};
  }

 private:
  // Spreads slots over distances, counted from the first that occurs.
  SlotRange fill_slots(const AttentionTerms& terms, int64_t origin, int64_t count, int32_t* out) {
    spread_by_distance(
        terms.slots, terms.slot_reach, origin, count, [](int32_t x) TAMIS_LAMBDA { return x; },
        out);
    const int32_t begin = out[0];
    const int32_t end = out[count - 1];
    const int32_t first = begin < end ? begin : end;
    for (int64_t i = 0; i < count; ++i) out[i] -= first;
    slots = out + origin;
    return {first, (begin < end ? end : begin) - first + 1};
  }

  // out [keys, ld_slots]: each key times each slot.
  void multiply_keys(const HeadKeys& k, int64_t head_size, const PackedSlots& table, char* rows,
                     float* out) const {
    for (int64_t key = 0; key < k.keys; key += kMaxRows) {
      const int64_t count = at_most(k.keys - key, kMaxRows);
      Pack::copy_rows(Pack::rows_of(k.operand, key, 0), count, head_size, rows);
      multiply_slots<Kind, kMaxRows, kVecs>(rows, table, count, out + key * ld_slots, ld_slots);
    }
  }
};

}  // namespace
}  // namespace tamis::kernels
