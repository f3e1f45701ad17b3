#include "kernels/cpu/pooling/pooling.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const PoolingKernel pooling_##row;
#include "kernels/cpu/pooling/kernels.inc"
#undef X

namespace {

constexpr KernelRow<PoolingKernel> kRows[] = {
#define X(row, level) {Isa::level, &pooling_##row},
#include "kernels/cpu/pooling/kernels.inc"
#undef X
};

}  // namespace

const PoolingKernel& select_pooling(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
