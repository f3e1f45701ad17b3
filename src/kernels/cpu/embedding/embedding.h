// y = LayerNorm(sum of rows gathered from up to three tables), token by token.
//
// Is: the embedding block of an encoder, with or without its LayerNorm. Is not: a bounds check; ids
// were proved to lie inside their tables. May use: nothing, so that per-ISA files can include it.
//
// Exactness. The rows are added in the order of the tables, the LayerNorm is layer_norm's: all
// vector rows give the same bits, also as layer_norm run on the plain sum.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

struct EmbeddingTable {
  const float* rows = nullptr;   // [any, width] contiguous; null: this table is not there
  const int32_t* ids = nullptr;  // [tokens]; null: row 0 for every token
};

struct EmbeddingArgs {
  int64_t tokens = 0;
  int64_t width = 0;
  EmbeddingTable tables[3];      // tables[0].rows is never null
  const float* gamma = nullptr;  // [width]; null: no LayerNorm, the sum is the result
  const float* beta = nullptr;   // [width]
  float eps = 0;
  float* y = nullptr;
  int64_t ldy = 0;
};

/// Thread-safe.
struct EmbeddingKernel {
  const char* name;  // "embedding_avx512"
  void (*run)(const EmbeddingArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const EmbeddingKernel& select_embedding(IsaSet isas);

}  // namespace tamis::kernels
