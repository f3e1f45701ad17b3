#include "kernels/cuda/kernel_list.h"

namespace tamis::cuda {

std::span<const KernelRow> kernel_rows() {
  static constexpr KernelRow kRows[] = {
#define X(name, Params, threads, shared, blocks, ...) {"tamis_" #name, threads, shared},
#include "kernels/cuda/kernels.inc"
#undef X
  };
  return kRows;
}

}  // namespace tamis::cuda
