#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/reduce_avx2-inl.h"
// Then what is made of it.
#include "kernels/cpu/attention_f32/attention_f32-inl.h"

namespace tamis::kernels {

namespace {

// 12 accumulators, 2 columns, 1 broadcast of 16 registers.
using Tiling = FloatAttention<6, 1>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6>;

}  // namespace

extern const AttentionF32Kernel attention_f32_avx2;
const AttentionF32Kernel attention_f32_avx2 = {"attention_f32_avx2", Tiling::scratch_bytes,
                                               Tiling::run_floats<Tiles>};

}  // namespace tamis::kernels
