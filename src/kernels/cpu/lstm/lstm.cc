#include "kernels/cpu/lstm/lstm.h"

#include "kernels/cpu/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const LstmKernel lstm_##row;
#include "kernels/cpu/lstm/kernels.inc"
#undef X

namespace {

constexpr KernelRow<LstmKernel> kRows[] = {
#define X(row, level) {Isa::level, &lstm_##row},
#include "kernels/cpu/lstm/kernels.inc"
#undef X
};

}  // namespace

const LstmKernel& select_lstm(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
