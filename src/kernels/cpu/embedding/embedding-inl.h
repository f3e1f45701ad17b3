// The embedding block token by token, over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h and load_s8_<isa>-inl.h, all in an
// anonymous namespace.
#pragma once

#include "kernels/cpu/embedding/embedding.h"
#include "kernels/cpu/layer_norm/layer_norm-inl.h"

namespace tamis::kernels {
namespace {

TAMIS_INLINE int64_t row_of(const EmbeddingTable& table, int64_t token) {
  return table.ids == nullptr ? 0 : table.ids[token];
}

// A token's row of a table of floats; not there where the table is not.
struct FloatTableRow {
  const float* p = nullptr;
  TAMIS_INLINE FloatTableRow(const EmbeddingTable& table, int64_t token, int64_t width) {
    if (table.rows != nullptr) p = table.rows + row_of(table, token) * width;
  }
  [[nodiscard]] TAMIS_INLINE bool is_there() const { return p != nullptr; }
  [[nodiscard]] TAMIS_INLINE const void* address(int64_t j) const { return p + j; }
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    return load_count(p + j, count);
  }
};

// A token's row of a table of any type. The branch goes the same way for the whole row.
struct AnyTableRow {
  enum class Type : uint8_t { kNone, kF32, kF16, kBf16, kS8 };
  Type type = Type::kNone;
  const char* p = nullptr;
  int64_t element_bytes = 0;
  Vec scale = zero();

  TAMIS_INLINE AnyTableRow(const EmbeddingTable& table, int64_t token, int64_t width) {
    if (!table.is_there()) return;
    const int64_t row = row_of(table, token);
    if (table.f16 != nullptr) {
      point(Type::kF16, table.f16, row * width);
    } else if (table.bf16 != nullptr) {
      point(Type::kBf16, table.bf16, row * width);
    } else if (table.s8 != nullptr) {
      point(Type::kS8, table.s8, row * width);
      scale = set(table.scale[row]);
    } else {
      point(Type::kF32, table.rows, row * width);
    }
  }
  [[nodiscard]] TAMIS_INLINE bool is_there() const { return p != nullptr; }
  [[nodiscard]] TAMIS_INLINE const void* address(int64_t j) const { return p + j * element_bytes; }
  [[nodiscard]] TAMIS_INLINE Vec at(int64_t j, int64_t count) const {
    if (type == Type::kF16) return HalfRow{reinterpret_cast<const uint16_t*>(p)}.at(j, count);
    if (type == Type::kBf16) return Bf16Row{reinterpret_cast<const uint16_t*>(p)}.at(j, count);
    if (type == Type::kF32) return load_count(reinterpret_cast<const float*>(p) + j, count);
    const auto* q = reinterpret_cast<const int8_t*>(p) + j;
    return scale * (count == kLanes ? load_s8(q) : load_s8_first(q, count));
  }

 private:
  template <typename Element>
  TAMIS_INLINE void point(Type of, const Element* elements, int64_t at) {
    type = of;
    p = reinterpret_cast<const char*>(elements + at);
    element_bytes = sizeof(Element);
  }
};

// One token; each(c, j, count, y) sees every vector of the LayerNorm's result.
template <typename Row, typename Each>
TAMIS_INLINE void embedding_row_of(const EmbeddingArgs& args, int64_t t, const Each& each) {
  const NormParameters parameters = {args.gamma, args.beta, args.eps};
  const Row first(args.tables[0], t, args.width);
  const Row second(args.tables[1], t, args.width);
  const Row third(args.tables[2], t, args.width);
  float* y = args.y + t * args.ldy;
  // Rows of the word table lie anywhere in memory: asked for two tokens ahead.
  const Row later(args.tables[0], t + 2 < args.tokens ? t + 2 : t, args.width);
  Vec sums[kChains];
  clear_chains(sums);
  for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    __builtin_prefetch(later.address(j), 0, 3);
    Vec value = first.at(j, count);
    if (second.is_there()) value = value + second.at(j, count);
    if (third.is_there()) value = value + third.at(j, count);
    store_count(y + j, value, count);
    sums[c] = sums[c] + value;
  });
  if (args.gamma == nullptr) return;
  normalize_row(args.width, y, sum_chains(sums), parameters, y, each);
}

TAMIS_INLINE bool are_floats(const EmbeddingArgs& args) {
  for (const EmbeddingTable& table : args.tables) {
    if (table.rows == nullptr && table.is_there()) return false;
  }
  return true;
}

template <typename Each>
TAMIS_INLINE void embedding_row(const EmbeddingArgs& args, int64_t t, const Each& each) {
  if (are_floats(args)) {
    embedding_row_of<FloatTableRow>(args, t, each);
  } else {
    embedding_row_of<AnyTableRow>(args, t, each);
  }
}

inline void embedding(const EmbeddingArgs& args) {
  for (int64_t t = 0; t < args.tokens; ++t) embedding_row(args, t, Nothing{});
}

}  // namespace
}  // namespace tamis::kernels
