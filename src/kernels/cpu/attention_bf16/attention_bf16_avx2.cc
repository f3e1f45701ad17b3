#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/reduce_avx2-inl.h"
// Then what is made of it.
#include "kernels/cpu/simd/attention-inl.h"
// Then the operands.
#include "kernels/cpu/attention_bf16/attention_bf16_widened-inl.h"

namespace tamis::kernels {

namespace {

// 12 accumulators, 2 columns, 1 broadcast of 16 registers.
using Tiling = Attention<WidenedBf16, 6, 1>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6>;

}  // namespace

extern const AttentionBf16Kernel attention_bf16_avx2;
const AttentionBf16Kernel attention_bf16_avx2 = {"attention_bf16_avx2", Tiling::scratch_bytes,
                                                 Tiling::run<Tiles>};

}  // namespace tamis::kernels
