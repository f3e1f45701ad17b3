#include <algorithm>

#include "base/bf16.h"
#include "kernels/cpu/gemm_bf16/gemm_bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

constexpr int64_t kColumns = 16;

// "Packed" is W rounded, [n, k] row-major.
size_t packed_bytes(int64_t n, int64_t k) { return static_cast<size_t>(n * k) * sizeof(uint16_t); }

void pack(const GemmBf16Weights& weights, int64_t panel_begin, int64_t panel_end, void* packed) {
  auto* w = static_cast<uint16_t*>(packed);
  const int64_t end = std::min(weights.n, panel_end * kColumns);
  for (int64_t j = panel_begin * kColumns; j < end; ++j) {
    const float* row = weights.w + j * weights.ldw;
    std::transform(row, row + weights.k, w + j * weights.k, float_to_bf16);
  }
}

void run(const GemmBf16Args& args, int64_t panel_begin, int64_t panel_end) {
  const int64_t end = std::min(args.n, panel_end * kColumns);
  reference::matmul_bf16(args, static_cast<const uint16_t*>(args.packed), panel_begin * kColumns,
                         end);
}

}  // namespace

extern const GemmBf16Kernel gemm_bf16_reference;
const GemmBf16Kernel gemm_bf16_reference = {"gemm_bf16_reference", kColumns, packed_bytes, pack,
                                            run};

}  // namespace tamis::kernels
