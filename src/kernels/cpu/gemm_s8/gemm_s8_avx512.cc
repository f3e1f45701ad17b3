#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_s8_avx512-inl.h"
// Then the products.
#include "kernels/cpu/gemm_s8/gemm_s8-inl.h"

namespace tamis::kernels {

namespace {

// 24 sums, 2 columns, 1 broadcast and 1 product of 32 registers.
using Tiling = IntGemm<12, 2>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

extern const GemmS8Kernel gemm_s8_avx512;
const GemmS8Kernel gemm_s8_avx512 = {"gemm_s8_avx512",    Tiling::kColumns, Tiling::packed_bytes,
                                     Tiling::panel_bytes, Tiling::pack,     Tiling::run<Tiles>};

}  // namespace tamis::kernels
