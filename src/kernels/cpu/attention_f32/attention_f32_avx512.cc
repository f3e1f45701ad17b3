#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/attention_f32/attention_f32-inl.h"

namespace tamis::kernels {

namespace {

// 24 accumulators, 2 columns, 1 broadcast of 32 registers.
using Avx512Attention = Attention<12, 2>;
using Tiles = Avx512Attention::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

extern const AttentionF32Kernel attention_f32_avx512;
const AttentionF32Kernel attention_f32_avx512 = {
    "attention_f32_avx512", Avx512Attention::scratch_bytes, Avx512Attention::run<Tiles>};

}  // namespace tamis::kernels
