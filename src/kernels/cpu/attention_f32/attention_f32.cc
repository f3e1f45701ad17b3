#include "kernels/cpu/attention_f32/attention_f32.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionF32Kernel attention_f32_##row;
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X

namespace {

constexpr KernelRow<AttentionF32Kernel> kRows[] = {
#define X(row, level) {Isa::level, &attention_f32_##row},
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X
};

}  // namespace

const AttentionF32Kernel& select_attention_f32(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
