#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_avx512_bf16-inl.h"
#include "kernels/cpu/simd/reduce_avx512-inl.h"
// Then what is made of it.
#include "kernels/cpu/simd/attention-inl.h"
// Then the operands.
#include "kernels/cpu/attention_bf16/attention_bf16_dot-inl.h"

namespace tamis::kernels {

namespace {

// 24 sums, 2 columns, 1 broadcast of 32 registers.
using Tiling = Attention<PairsOfBf16, 12, 2>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

extern const AttentionBf16Kernel attention_bf16_avx512_bf16;
const AttentionBf16Kernel attention_bf16_avx512_bf16 = {"attention_bf16_avx512_bf16",
                                                        Tiling::scratch_bytes, Tiling::run<Tiles>};

}  // namespace tamis::kernels
