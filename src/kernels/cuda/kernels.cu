// The kernels of kernels.inc for cards; the only file that nvcc sees.
#include "kernels/cuda/kernels-inl.h"
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "kernels/cuda/gemm_s8/gemm_s8_hopper-inl.h"
#else
#define HOPPER(...)
#endif

namespace tamis::cuda::device {

#define X(name, Params, threads, shared, blocks, ...)                 \
  extern "C" __global__ void __launch_bounds__(threads, blocks)       \
      tamis_##name(const __grid_constant__ Params p) {                        \
    __VA_ARGS__::run(p);                                              \
  }
#include "kernels/cuda/kernels.inc"
#undef X

}  // namespace tamis::cuda::device
