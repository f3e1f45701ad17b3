#include "kernels/cpu/rotary/rotary.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const RotaryKernel rotary_##row;
#include "kernels/cpu/rotary/kernels.inc"
#undef X

namespace {

constexpr KernelRow<RotaryKernel> kRows[] = {
#define X(row, level) {Isa::level, &rotary_##row},
#include "kernels/cpu/rotary/kernels.inc"
#undef X
};

}  // namespace

const RotaryKernel& select_rotary(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
