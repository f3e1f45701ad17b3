#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_avx512_bf16-inl.h"
// Then the products.
#include "kernels/cpu/gemm_bf16/gemm_bf16-inl.h"
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

using Tiling = Bf16Gemm<2 * kTileRows, 2, kTileBytes / 2>;

}  // namespace

extern const GemmBf16Kernel gemm_bf16_amx;
const GemmBf16Kernel gemm_bf16_amx = {"gemm_bf16_amx", Tiling::kColumns, Tiling::packed_bytes,
                                      Tiling::pack, Tiling::run<GemmTiles<Bf16Dots>>};

}  // namespace tamis::kernels
