#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/rotary/rotary-inl.h"

namespace tamis::kernels {

extern const RotaryKernel rotary_avx2;
const RotaryKernel rotary_avx2 = {"rotary_avx2", rotary};

}  // namespace tamis::kernels
