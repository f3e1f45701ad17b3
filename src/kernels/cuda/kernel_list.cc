#include "kernels/cuda/kernel_list.h"

namespace tamis::cuda {

std::span<const KernelRow> kernel_rows() {
  static constexpr KernelRow kRows[] = {
#define X(name, Params, threads, shared, blocks, ...) {"tamis_" #name, threads, shared, 0},
#define HOPPER(name, Params, threads, shared, blocks, ...) {"tamis_" #name, threads, shared, 90},
#include "kernels/cuda/kernels.inc"
#undef X
  };
  return kRows;
}

}  // namespace tamis::cuda
