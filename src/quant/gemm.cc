#include "quant/gemm.h"

#include <algorithm>

#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "quant/parallel.h"
#include "tensor/arena.h"

namespace tamis::quant {

void gemm_add(const GemmOperands& operands, ThreadPool& pool, IsaSet isas) {
  if (operands.m == 0 || operands.n == 0 || operands.k == 0) return;
  const kernels::GemmF32Kernel& kernel = kernels::select_gemm_f32(isas);
  AlignedBuffer packed(kernel.packed_bytes(operands.n, operands.k));
  auto* memory = reinterpret_cast<float*>(packed.data());
  const kernels::GemmF32Weights weights{operands.n, operands.k, operands.b, operands.ldb};
  kernels::GemmF32Args args;
  args.m = operands.m;
  args.n = operands.n;
  args.k = operands.k;
  args.a = operands.a;
  args.lda = operands.lda;
  args.packed = memory;
  args.residual = operands.c;
  args.ldr = operands.ldc;
  args.c = operands.c;
  args.ldc = operands.ldc;
  const int64_t panel_cost = operands.m * kernel.nr * operands.k / 16;  // in vectors
  const int64_t panels = kernels::gemm_f32_panels(kernel, operands.n);
  parallel_for(pool, panels, panel_cost, [&](int64_t panel) {
    kernel.pack(weights, panel, panel + 1, memory);
    kernel.run(args, panel, panel + 1);
  });
}

}  // namespace tamis::quant
