#include "kernels/cpu/simd/vec_avx2-inl.h"
// On the vector.
#include "kernels/cpu/simd/load_s8_avx2-inl.h"
// On both.
#include "kernels/cpu/embedding/embedding-inl.h"

namespace tamis::kernels {

extern const EmbeddingKernel embedding_avx2;
const EmbeddingKernel embedding_avx2 = {"embedding_avx2", embedding};

}  // namespace tamis::kernels
