#include <algorithm>

#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

constexpr int64_t kColumns = 16;

// "Packed" is a plain copy of W, [n, k] row-major.
size_t packed_bytes(int64_t n, int64_t k) { return static_cast<size_t>(n * k) * sizeof(float); }

void pack(const GemmF32Weights& weights, int64_t panel_begin, int64_t panel_end, float* packed) {
  const int64_t end = std::min(weights.n, panel_end * kColumns);
  for (int64_t j = panel_begin * kColumns; j < end; ++j) {
    std::copy_n(weights.w + j * weights.ldw, weights.k, packed + j * weights.k);
  }
}

void run(const GemmF32Args& args, int64_t panel_begin, int64_t panel_end) {
  const int64_t begin = panel_begin * kColumns;
  reference::MatMulArgs part;
  part.m = args.m;
  part.n = std::min(args.n, panel_end * kColumns) - begin;
  part.k = args.k;
  part.x = args.a;
  part.ldx = args.lda;
  part.w = args.packed + begin * args.k;
  part.ldw = args.k;
  part.bias = args.bias == nullptr ? nullptr : args.bias + begin;
  part.activation = args.activation;
  part.residual = args.residual == nullptr ? nullptr : args.residual + begin;
  part.ldr = args.ldr;
  part.y = args.c + begin;
  part.ldy = args.ldc;
  reference::matmul(part);
}

}  // namespace

extern const GemmF32Kernel gemm_f32_reference;
const GemmF32Kernel gemm_f32_reference = {"gemm_f32_reference", kColumns, packed_bytes, pack, run};

}  // namespace tamis::kernels
