// The kernel of elementwise.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/elementwise/elementwise.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

class ElementwiseKernel {
 public:
  static constexpr bool kThreadsAlone = true;  // no thread waits for another

  static TAMIS_DEVICE void run(const ElementwiseParams& p) {
    const int row = block_x();
    if (row >= load_global(p.rows)) return;
    const int64_t from = static_cast<int64_t>(row) * p.columns;
    const int64_t to = static_cast<int64_t>(row) * p.ldy;
    for (int column = thread_x(); column < p.ldy; column += kElementwiseThreads) {
      const bool there = column < p.columns;
      store_value(p.y, to + column, there ? value(p, row, column, from + column) : 0.0f);
    }
  }

 private:
  static TAMIS_DEVICE float value(const ElementwiseParams& p, int row, int column, int64_t at) {
    const float x = load_value(p.x, at);
    if (p.kind == ElementwiseParams::Kind::kActivate) return activate(p.activation, x);
    if (p.kind == ElementwiseParams::Kind::kChoose && load_global(p.chosen + row) == 0) return x;
    const int64_t place =
        static_cast<int64_t>(row) * p.other_row + static_cast<int64_t>(column) * p.other_column;
    const float other = load_global(p.other + place);
    if (p.kind == ElementwiseParams::Kind::kChoose) return other;
    return p.kind == ElementwiseParams::Kind::kAdd ? add_rn(x, other) : mul_rn(x, other);
  }
};

}  // namespace tamis::cuda::device
