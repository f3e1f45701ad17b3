#include "kernels/cpu/pooling/pooling.h"

#include <cmath>

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

void log1p_values(int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    if (y[i] != 0) y[i] = std::log1p(y[i]);
  }
}

const PoolingKernel& select_pooling(IsaSet isas) { return first_row(kRows, isas); }

}  // namespace tamis::kernels
