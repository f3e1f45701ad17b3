// The rows of kernels.inc as the double launches them.
#include "kernels/cuda/emulator/driver/state.h"
#include "kernels/cuda/gemm_s8/gemm_s8_hopper-inl.h"
#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/kernels-inl.h"

namespace tamis::cuda::emulator {

namespace {

template <typename Kernel, typename Params>
void run_kernel(const void* params) {
  Kernel::run(*static_cast<const Params*>(params));
}

template <typename Kernel>
constexpr bool has_collectives() {
  return !requires { Kernel::kThreadsAlone; };
}

}  // namespace

DoubleKernel* find_kernel(const std::string& name) {
  using namespace device;
  static DoubleKernel kernels[] = {
#define ROW(capability, name, Params, threads, ...) \
  {"tamis_" #name, sizeof(Params),                  \
   threads,        has_collectives<__VA_ARGS__>(),  \
   capability,     run_kernel<__VA_ARGS__, Params>},
#define X(name, Params, threads, shared, blocks, ...) ROW(0, name, Params, threads, __VA_ARGS__)
#define HOPPER(name, Params, threads, shared, blocks, ...) \
  ROW(90, name, Params, threads, __VA_ARGS__)
#include "kernels/cuda/kernels.inc"
#undef X
#undef ROW
  };
  for (DoubleKernel& kernel : kernels) {
    if (kernel.name == name) return &kernel;
  }
  return nullptr;
}

}  // namespace tamis::cuda::emulator
