#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/reduce_avx512-inl.h"
// Then what is made of it.
#include "kernels/cpu/attention_f32/attention_f32-inl.h"

namespace tamis::kernels {

namespace {

// 24 accumulators, 2 columns, 1 broadcast of 32 registers.
using Tiling = FloatAttention<12, 2>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

extern const AttentionF32Kernel attention_f32_avx512;
const AttentionF32Kernel attention_f32_avx512 = {"attention_f32_avx512", Tiling::scratch_bytes,
                                                 Tiling::run_floats<Tiles>};

}  // namespace tamis::kernels
