// Operands of attention-inl.h packed, and where they lie in a worker's scratch.
//
// Is: for per-ISA files, included by attention-inl.h, all in an anonymous namespace. K is packed as
// [panel of keys][words of the head][keys], V as [panel of the head][words of keys][columns], both
// once for a call and head, in panels of kVecs * 16 whose last may be narrower: keys and columns
// are padded to multiples of Kind::kPadding.
#pragma once

#include "kernels/cpu/attention_bf16/attention_bf16.h"

namespace tamis::kernels {
namespace {

constexpr int64_t kKeyBlock = 512;
constexpr int64_t kWordBytes = 4;

TAMIS_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
TAMIS_INLINE int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

template <int kRows, int kVecs>
TAMIS_INLINE void set_zero(Vec (&acc)[kRows][kVecs]) {
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[i][v] = zero();
  }
}

// Calls body.operator()<kPanelVecs>(at) for each panel of `n` columns from `begin`, the start of a
// panel, on: whole ones, then those of sixteen columns.
template <typename Kind, int kVecs, typename Body>
TAMIS_INLINE void for_each_panel(int64_t begin, int64_t n, const Body& body) {
  constexpr int64_t kColumns = kVecs * kLanes;
  const int64_t padded = round_up(n, Kind::kPadding);
  int64_t at = begin;
  for (; at + kColumns <= padded; at += kColumns) body.template operator()<kVecs>(at);
  if constexpr (Kind::kPadding < kColumns) {
    for (; at < padded; at += kLanes) body.template operator()<1>(at);
  }
}

template <typename Kind, int kMaxRows, int kVecs>
struct AttentionPack {
  static constexpr int64_t kColumns = kVecs * kLanes;
  static constexpr int64_t kPadding = Kind::kPadding;

  // Where a worker's scratch holds what, in bytes, each a multiple of 64; K is first.
  struct Scratch {
    Scratch(int64_t keys, int64_t head_size, const AttentionTerms& terms)
        : ldq(Kind::words_of(head_size) * kWordBytes),
          // 16 more than needed: rows at a stride of 2 KB would share a few sets of the L1.
          lds(round_up(at_most(keys, kKeyBlock), kPadding) + kLanes),
          ldc(round_up(head_size, kPadding)),
          v(round_up(keys, kPadding) * ldq),
          q(v + Kind::words_of(keys) * ldc * kWordBytes),
          scores(q + round_up(kMaxRows * ldq, 64)),
          context(scores + kMaxRows * lds * kWordBytes),
          line(context + (keys > kKeyBlock ? kMaxRows * ldc * kWordBytes : 0)),
          line_bytes(terms.any() ? round_up(2 * keys + 2 * kColumns, kLanes) * kWordBytes : 0),
          slot_line(line + line_bytes),
          ld_slots(terms.disentangled() ? round_up(terms.position_rows, kPadding) : 0),
          ld_matrix(terms.by_pair() ? round_up(keys, kPadding) : 0),
          position_keys(slot_line + (terms.disentangled() ? line_bytes : 0)),
          position_queries(position_keys + ld_slots * ldq),
          of_query(position_queries + ld_slots * ldq),
          of_keys(of_query + kMaxRows * ld_slots * kWordBytes),
          matrix(of_keys + ld_matrix * ld_slots * kWordBytes),
          bytes(matrix + kMaxRows * ld_matrix * kWordBytes) {}

    int64_t ldq, lds, ldc;
    int64_t v, q, scores, context;
    int64_t line, line_bytes, slot_line, ld_slots, ld_matrix;
    int64_t position_keys, position_queries, of_query, of_keys, matrix, bytes;
  };

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
    const int64_t padded = round_up(keys, kPadding);
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
    for_each_panel<Kind, kVecs>(0, head_size, [&]<int kPanelVecs>(int64_t column) TAMIS_LAMBDA {
      pack_value_panel<kPanelVecs>(v, keys, column, head_size, packed);
    });
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
