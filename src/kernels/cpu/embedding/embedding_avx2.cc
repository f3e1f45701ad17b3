#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/embedding/embedding-inl.h"

namespace tamis::kernels {

extern const EmbeddingKernel embedding_avx2;
const EmbeddingKernel embedding_avx2 = {"embedding_avx2", embedding};

}  // namespace tamis::kernels
