#include "kernels/cpu/simd/vec_avx512-inl.h"
// On the vector.
#include "kernels/cpu/simd/load_s8_avx512-inl.h"
// On both.
#include "kernels/cpu/embedding/embedding-inl.h"

namespace tamis::kernels {

extern const EmbeddingKernel embedding_avx512;
const EmbeddingKernel embedding_avx512 = {"embedding_avx512", embedding};

}  // namespace tamis::kernels
