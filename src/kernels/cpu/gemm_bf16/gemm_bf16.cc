#include "kernels/cpu/gemm_bf16/gemm_bf16.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmBf16Kernel gemm_bf16_##row;
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X

namespace {

constexpr KernelRow<GemmBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_bf16_##row},
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X
};

}  // namespace

const GemmBf16Kernel& select_gemm_bf16(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
