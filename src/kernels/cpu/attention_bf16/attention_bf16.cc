#include "kernels/cpu/attention_bf16/attention_bf16.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionBf16Kernel attention_bf16_##row;
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X

namespace {

constexpr KernelRow<AttentionBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &attention_bf16_##row},
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X
};

}  // namespace

const AttentionBf16Kernel& select_attention_bf16(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
