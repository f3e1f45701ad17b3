// The kernel of select.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/select/select.h"

namespace tamis::cuda::device {

class SelectKernel {
 public:
  static constexpr bool kThreadsAlone = true;  // no thread waits for another

  static TAMIS_DEVICE void run(const SelectParams& p) {
    const int row = block_x();
    if (row >= load_global(p.rows)) return;
    for (int part = 0; part < p.parts; ++part) {
      const int64_t place = static_cast<int64_t>(row) * p.parts + part;
      const int from = load_global(p.from + place);
      const int64_t begin = static_cast<int64_t>(from) * p.units;
      for (int unit = thread_x(); unit < p.units; unit += kSelectThreads) {
        const uint16_t value = from < 0 ? uint16_t{0} : load_global(p.x + begin + unit);
        store_global(p.y + place * p.units + unit, value);
      }
    }
  }
};

}  // namespace tamis::cuda::device
