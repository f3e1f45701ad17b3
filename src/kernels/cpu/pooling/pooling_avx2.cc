#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/pooling/pooling-inl.h"

namespace tamis::kernels {

extern const PoolingKernel pooling_avx2;
const PoolingKernel pooling_avx2 = {"pooling_avx2", pooling};

}  // namespace tamis::kernels
