#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_avx512_bf16-inl.h"
// Then the products.
#include "kernels/cpu/gemm_bf16/gemm_bf16-inl.h"

namespace tamis::kernels {

namespace {

// 24 sums, 3 columns, 1 broadcast of 32 registers.
using Tiling = Bf16Gemm<8, 3>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8>;

}  // namespace

extern const GemmBf16Kernel gemm_bf16_avx512_bf16;
const GemmBf16Kernel gemm_bf16_avx512_bf16 = {"gemm_bf16_avx512_bf16", Tiling::kColumns,
                                              Tiling::packed_bytes, Tiling::pack,
                                              Tiling::run<Tiles>};

}  // namespace tamis::kernels
