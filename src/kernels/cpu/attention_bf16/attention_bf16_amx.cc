#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_avx512_bf16-inl.h"
#include "kernels/cpu/simd/reduce_avx512-inl.h"
#include "kernels/cpu/simd/tiles_amx-inl.h"
// Then what is made of it.
#include "kernels/cpu/simd/attention-inl.h"
// Then the operands.
#include "kernels/cpu/attention_bf16/attention_bf16_dot-inl.h"
// The tiles of these.
#include "kernels/cpu/attention_bf16/attention_bf16_tiles-inl.h"

namespace tamis::kernels {

namespace {

using Tiling = Attention<TilesOfBf16, TilesOfBf16::kPadding, 2>;

}  // namespace

extern const AttentionBf16Kernel attention_bf16_amx;
const AttentionBf16Kernel attention_bf16_amx = {"attention_bf16_amx", Tiling::scratch_bytes,
                                                Tiling::run<AttentionTiles>};

}  // namespace tamis::kernels
