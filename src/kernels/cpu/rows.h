// The rows of a kernel family and the choice among them.
//
// Is: what each family's kernels.inc expands into, for dispatch, test and bench alike. Is not: for
// per-ISA files. May use: base/cpu.h.
#pragma once

#include <span>
#include <vector>

#include "base/cpu.h"

namespace tamis::kernels {

/// A kernel and the level it needs.
template <typename Kernel>
struct KernelRow {
  Isa isa;
  const Kernel* kernel;
};

/// The first row that `isas` has; the last row is the reference, which every set has.
template <typename Kernel, size_t kCount>
[[nodiscard]] const Kernel& first_row(const KernelRow<Kernel> (&rows)[kCount], IsaSet isas) {
  for (const KernelRow<Kernel>& row : rows) {
    if (isas.has(row.isa)) return *row.kernel;
  }
  return *rows[kCount - 1].kernel;
}

}  // namespace tamis::kernels
