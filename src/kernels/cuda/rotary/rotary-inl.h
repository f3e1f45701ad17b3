// The kernel of rotary.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/rotary/rotary.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

class RotaryKernel {
 public:
  static constexpr bool kThreadsAlone = true;  // no thread waits for another

  static TAMIS_DEVICE void run(const RotaryParams& p) {
    const int row = block_x();
    if (row >= load_global(p.rows)) return;
    const int64_t angles = static_cast<int64_t>(load_global(p.places + row)) * p.angles;
    const int64_t base = static_cast<int64_t>(row) * p.width;
    for (int column = thread_x(); column < p.width; column += kRotaryThreads) {
      store_value(p.y, base + column, turned(p, angles, base, column));
    }
  }

 private:
  static TAMIS_DEVICE float turned(const RotaryParams& p, int64_t angles, int64_t base,
                                   int column) {
    const float x = load_value(p.x, base + column);
    const int i = column % p.head_size;
    if (column >= p.heads * p.head_size || i >= 2 * p.pairs) return x;
    if (p.interleaved) {
      const float other = load_value(p.x, base + (i % 2 == 0 ? column + 1 : column - 1));
      const float across = mul_rn(other, load_global(p.sine + angles + i));
      return fma_rn(x, load_global(p.cosine + angles + i), across);
    }
    const bool left = i < p.pairs;
    const int pair = left ? i : i - p.pairs;
    const float other = load_value(p.x, base + (left ? column + p.pairs : column - p.pairs));
    const float across = mul_rn(other, load_global(p.sine + angles + pair));
    return fma_rn(x, load_global(p.cosine + angles + pair), left ? -across : across);
  }
};

}  // namespace tamis::cuda::device
