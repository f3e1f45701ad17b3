#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_s8_avx512_vnni-inl.h"
// Then the products.
#include "kernels/cpu/gemm_s8/gemm_s8-inl.h"

namespace tamis::kernels {

namespace {

// 24 sums, 3 columns, 1 broadcast of 32 registers.
using Tiling = IntGemm<8, 3>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8>;

}  // namespace

extern const GemmS8Kernel gemm_s8_avx512_vnni;
const GemmS8Kernel gemm_s8_avx512_vnni = {"gemm_s8_avx512_vnni", Tiling::kColumns,
                                          Tiling::packed_bytes,  Tiling::panel_bytes,
                                          Tiling::pack,          Tiling::run<Tiles>};

}  // namespace tamis::kernels
