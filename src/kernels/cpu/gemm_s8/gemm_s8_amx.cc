#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_s8_avx512_vnni-inl.h"
// Then the products.
#include "kernels/cpu/gemm_s8/gemm_s8-inl.h"
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

using Tiling = IntGemm<2 * kTileRows, 2, kTileBytes>;

}  // namespace

extern const GemmS8Kernel gemm_s8_amx;
const GemmS8Kernel gemm_s8_amx = {"gemm_s8_amx",        Tiling::kColumns,
                                  Tiling::packed_bytes, Tiling::panel_bytes,
                                  Tiling::pack,         Tiling::run<GemmTiles<ByteDots>>};

}  // namespace tamis::kernels
