#include "kernels/cpu/gemm_s8/gemm_s8.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmS8Kernel gemm_s8_##row;
#include "kernels/cpu/gemm_s8/kernels.inc"
#undef X

namespace {

constexpr KernelRow<GemmS8Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_s8_##row},
#include "kernels/cpu/gemm_s8/kernels.inc"
#undef X
};

}  // namespace

const GemmS8Kernel& select_gemm_s8(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
