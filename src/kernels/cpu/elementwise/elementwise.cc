#include "kernels/cpu/elementwise/elementwise.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const ElementwiseKernel elementwise_##row;
#include "kernels/cpu/elementwise/kernels.inc"
#undef X

namespace {

constexpr KernelRow<ElementwiseKernel> kRows[] = {
#define X(row, level) {Isa::level, &elementwise_##row},
#include "kernels/cpu/elementwise/kernels.inc"
#undef X
};

}  // namespace

const ElementwiseKernel& select_elementwise(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
