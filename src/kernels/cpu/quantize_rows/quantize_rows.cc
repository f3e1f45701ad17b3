#include "kernels/cpu/quantize_rows/quantize_rows.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const QuantizeRowsKernel quantize_rows_##row;
#include "kernels/cpu/quantize_rows/kernels.inc"
#undef X

namespace {

constexpr KernelRow<QuantizeRowsKernel> kRows[] = {
#define X(row, level) {Isa::level, &quantize_rows_##row},
#include "kernels/cpu/quantize_rows/kernels.inc"
#undef X
};

}  // namespace

const QuantizeRowsKernel& select_quantize_rows(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
