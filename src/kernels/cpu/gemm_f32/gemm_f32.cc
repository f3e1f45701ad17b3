#include "kernels/cpu/gemm_f32/gemm_f32.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmF32Kernel gemm_f32_##row;
#include "kernels/cpu/gemm_f32/kernels.inc"
#undef X

namespace {

constexpr KernelRow<GemmF32Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_f32_##row},
#include "kernels/cpu/gemm_f32/kernels.inc"
#undef X
};

}  // namespace

const GemmF32Kernel& select_gemm_f32(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
