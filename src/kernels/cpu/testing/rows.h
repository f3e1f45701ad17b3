// The rows of a family that this CPU has, for tests only.
#pragma once

#include <vector>

#include "kernels/cpu/rows.h"

namespace tamis::kernels::testing {

/// Rows whose level the CPU has, in the order of kernels.inc.
template <typename Kernel, size_t kCount>
[[nodiscard]] std::vector<KernelRow<Kernel>> rows_here(const KernelRow<Kernel> (&rows)[kCount]) {
  std::vector<KernelRow<Kernel>> here;
  for (const KernelRow<Kernel>& row : rows) {
    if (detected_isas().has(row.isa)) here.push_back(row);
  }
  return here;
}

}  // namespace tamis::kernels::testing
