#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/pooling/pooling-inl.h"

namespace tamis::kernels {

extern const PoolingKernel pooling_avx512;
const PoolingKernel pooling_avx512 = {"pooling_avx512", pooling};

}  // namespace tamis::kernels
