#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/attention_f32/attention_f32-inl.h"

namespace tamis::kernels {

namespace {

// 12 accumulators, 2 columns, 1 broadcast of 16 registers.
using Avx2Attention = Attention<6, 1>;
using Tiles = Avx2Attention::Table<1, 2, 3, 4, 5, 6>;

}  // namespace

extern const AttentionF32Kernel attention_f32_avx2;
const AttentionF32Kernel attention_f32_avx2 = {"attention_f32_avx2", Avx2Attention::scratch_bytes,
                                               Avx2Attention::run<Tiles>};

}  // namespace tamis::kernels
