#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/layer_norm/layer_norm-inl.h"

namespace tamis::kernels {

extern const LayerNormKernel layer_norm_avx512;
const LayerNormKernel layer_norm_avx512 = {"layer_norm_avx512", layer_norm};

}  // namespace tamis::kernels
