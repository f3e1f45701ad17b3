#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/gemm_f32/gemm_f32-inl.h"

namespace tamis::kernels {

namespace {

// 24 accumulators, 2 columns, 1 broadcast of 32 registers.
using Avx512Gemm = Gemm<12, 2>;
using Tiles = Avx512Gemm::Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

extern const GemmF32Kernel gemm_f32_avx512;
const GemmF32Kernel gemm_f32_avx512 = {"gemm_f32_avx512", Avx512Gemm::kColumns,
                                       Avx512Gemm::packed_bytes, Avx512Gemm::pack,
                                       Avx512Gemm::run<Tiles>};

}  // namespace tamis::kernels
