#include "kernels/cpu/layer_norm/layer_norm.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const LayerNormKernel layer_norm_##row;
#include "kernels/cpu/layer_norm/kernels.inc"
#undef X

namespace {

constexpr KernelRow<LayerNormKernel> kRows[] = {
#define X(row, level) {Isa::level, &layer_norm_##row},
#include "kernels/cpu/layer_norm/kernels.inc"
#undef X
};

}  // namespace

const LayerNormKernel& select_layer_norm(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
