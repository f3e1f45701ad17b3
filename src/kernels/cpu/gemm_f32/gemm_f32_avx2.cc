#include "kernels/cpu/simd/vec_avx2-inl.h"
// The vector comes first.
#include "kernels/cpu/gemm_f32/gemm_f32-inl.h"

namespace tamis::kernels {

namespace {

// 12 accumulators, 2 columns, 1 broadcast of 16 registers.
using Avx2Gemm = Gemm<6, 1>;
using Tiles = Avx2Gemm::Table<1, 2, 3, 4, 5, 6>;

}  // namespace

extern const GemmF32Kernel gemm_f32_avx2;
const GemmF32Kernel gemm_f32_avx2 = {"gemm_f32_avx2", Avx2Gemm::kColumns, Avx2Gemm::packed_bytes,
                                     Avx2Gemm::pack, Avx2Gemm::run<Tiles>};

}  // namespace tamis::kernels
