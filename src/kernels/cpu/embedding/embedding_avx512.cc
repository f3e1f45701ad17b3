#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/embedding/embedding-inl.h"

namespace tamis::kernels {

extern const EmbeddingKernel embedding_avx512;
const EmbeddingKernel embedding_avx512 = {"embedding_avx512", embedding};

}  // namespace tamis::kernels
