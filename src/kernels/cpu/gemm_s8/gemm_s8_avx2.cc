#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_s8_avx2-inl.h"
// Then the products.
#include "kernels/cpu/gemm_s8/gemm_s8-inl.h"

namespace tamis::kernels {

namespace {

// 12 sums, 2 columns, 1 broadcast and 1 product of 16 registers.
using Tiling = IntGemm<6, 1>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6>;

}  // namespace

extern const GemmS8Kernel gemm_s8_avx2;
const GemmS8Kernel gemm_s8_avx2 = {"gemm_s8_avx2",      Tiling::kColumns, Tiling::packed_bytes,
                                   Tiling::panel_bytes, Tiling::pack,     Tiling::run<Tiles>};

}  // namespace tamis::kernels
