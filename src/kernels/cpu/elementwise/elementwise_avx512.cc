#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/elementwise/elementwise-inl.h"

namespace tamis::kernels {

extern const ElementwiseKernel elementwise_avx512;
const ElementwiseKernel elementwise_avx512 = {"elementwise_avx512", activate, add, multiply, scale,
                                              to_bf16_values,       glu_rows};

}  // namespace tamis::kernels
