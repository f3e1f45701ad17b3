#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/rotary/rotary-inl.h"

namespace tamis::kernels {

extern const RotaryKernel rotary_avx512;
const RotaryKernel rotary_avx512 = {"rotary_avx512", rotary};

}  // namespace tamis::kernels
