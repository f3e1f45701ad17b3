// The embedding block token by token, over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/embedding/embedding.h"
#include "kernels/cpu/layer_norm/layer_norm-inl.h"

namespace tamis::kernels {
namespace {

// A token's row of a table, null where the table is not there.
TAMIS_INLINE const float* table_row(const EmbeddingArgs& args, int table, int64_t token) {
  const EmbeddingTable& source = args.tables[table];
  if (source.rows == nullptr) return nullptr;
  return source.rows + (source.ids == nullptr ? 0 : source.ids[token]) * args.width;
}

// One token; each(c, j, count, y) sees every vector of the LayerNorm's result.
template <typename Each>
TAMIS_INLINE void embedding_row(const EmbeddingArgs& args, int64_t t, const Each& each) {
  const NormParameters parameters = {args.gamma, args.beta, args.eps};
  const float* first = table_row(args, 0, t);
  const float* second = table_row(args, 1, t);
  const float* third = table_row(args, 2, t);
  float* y = args.y + t * args.ldy;
  // Rows of the word table lie anywhere in memory: asked for two tokens ahead.
  const float* later = table_row(args, 0, t + 2 < args.tokens ? t + 2 : t);
  Vec sums[kChains];
  clear_chains(sums);
  for_each_in_chains(args.width, [&](int c, int64_t j, int64_t count) TAMIS_LAMBDA {
    _mm_prefetch(reinterpret_cast<const char*>(later + j), _MM_HINT_T0);
    Vec value = load_count(first + j, count);
    if (second != nullptr) value = value + load_count(second + j, count);
    if (third != nullptr) value = value + load_count(third + j, count);
    store_count(y + j, value, count);
    sums[c] = sums[c] + value;
  });
  if (args.gamma == nullptr) return;
  normalize_row(args.width, y, sum_chains(sums), parameters, y, each);
}

inline void embedding(const EmbeddingArgs& args) {
  for (int64_t t = 0; t < args.tokens; ++t) embedding_row(args, t, Nothing{});
}

}  // namespace
}  // namespace tamis::kernels
