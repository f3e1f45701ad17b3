#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/elementwise/elementwise-inl.h"

namespace tamis::kernels {

extern const ElementwiseKernel elementwise_avx2;
const ElementwiseKernel elementwise_avx2 = {"elementwise_avx2", activate, add, multiply, scale,
                                            to_bf16_values,     glu_rows};

}  // namespace tamis::kernels
