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

#include "kernels/reference/embedding_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct EmbeddingKernel {
  const char* name;  // "embedding_avx512"
  void (*run)(const EmbeddingArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const EmbeddingKernel& select_embedding(IsaSet isas);

}  // namespace tamis::kernels
