#include <algorithm>
#include <cstring>

#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

constexpr int64_t kColumns = 16;

// "Packed" is the scales [n] and then a plain copy of W, [n, k] row-major.
// In whole floats, so that memory that ends with it starts aligned for them.
size_t packed_bytes(int64_t n, int64_t k) {
  return static_cast<size_t>(n) * sizeof(float) + static_cast<size_t>(quantized_row_bytes(n * k));
}

int64_t panel_bytes(int64_t k) { return kColumns * k; }

void pack(const GemmS8Weights& weights, int64_t panel_begin, int64_t panel_end, void* packed) {
  auto* scales = static_cast<float*>(packed);
  auto* w = reinterpret_cast<int8_t*>(scales + weights.n);
  const int64_t end = std::min(weights.n, panel_end * kColumns);
  for (int64_t j = panel_begin * kColumns; j < end; ++j) {
    scales[j] = weights.scale[j];
    std::copy_n(weights.w + j * weights.ldw, weights.k, w + j * weights.k);
  }
}

void run(const GemmS8Args& args, int64_t panel_begin, int64_t panel_end) {
  const auto* scales = static_cast<const float*>(args.packed);
  const auto* w = reinterpret_cast<const int8_t*>(scales + args.n);
  const int64_t end = std::min(args.n, panel_end * kColumns);
  reference::matmul_s8(args, {args.n, args.k, w, args.k, scales}, panel_begin * kColumns, end);
}

}  // namespace

extern const GemmS8Kernel gemm_s8_reference;
const GemmS8Kernel gemm_s8_reference = {"gemm_s8_reference", kColumns, packed_bytes,
                                        panel_bytes,         pack,     run};

}  // namespace tamis::kernels
