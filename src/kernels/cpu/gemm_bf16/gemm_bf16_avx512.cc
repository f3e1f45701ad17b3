#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_widened-inl.h"
// Then the products.
#include "kernels/cpu/gemm_bf16/gemm_bf16-inl.h"

namespace tamis::kernels {

namespace {

// 22 sums, 2 columns, 1 broadcast of 32 registers; g++ 12 spills at 24 sums.
using Tiling = Bf16Gemm<11, 2>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>;

}  // namespace

extern const GemmBf16Kernel gemm_bf16_avx512;
const GemmBf16Kernel gemm_bf16_avx512 = {"gemm_bf16_avx512", Tiling::kColumns, Tiling::packed_bytes,
                                         Tiling::pack, Tiling::run<Tiles>};

}  // namespace tamis::kernels
