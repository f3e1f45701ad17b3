#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_widened-inl.h"
// Then the products.
#include "kernels/cpu/gemm_bf16/gemm_bf16-inl.h"

namespace tamis::kernels {

namespace {

// 10 sums, 2 columns, 1 broadcast of 16 registers; g++ 12 spills at 12 sums.
using Tiling = Bf16Gemm<5, 1>;
using Tiles = Tiling::Table<1, 2, 3, 4, 5>;

}  // namespace

extern const GemmBf16Kernel gemm_bf16_avx2;
const GemmBf16Kernel gemm_bf16_avx2 = {"gemm_bf16_avx2", Tiling::kColumns, Tiling::packed_bytes,
                                       Tiling::pack, Tiling::run<Tiles>};

}  // namespace tamis::kernels
