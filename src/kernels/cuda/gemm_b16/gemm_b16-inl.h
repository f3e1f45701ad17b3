// The kernel of gemm_b16.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm/gemm_tile-inl.h"
#include "kernels/cuda/gemm_b16/gemm_b16.h"

namespace tamis::cuda::device {

struct ProductB16 {
  using Sum = float;
  static TAMIS_DEVICE void multiply(Sum (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    multiply_b16(d, a, b0, b1);
  }
};

template <GemmTile kTile, GemmActivation kActivation>
class GemmB16 {
  static_assert(kTile.split == 1);

 public:
  static TAMIS_DEVICE void run(const GemmB16Params& p) {
    const int m = load_global(p.m);
    if (block_y() * kTile.rows >= m) return;
    TileProduct<kTile, ProductB16> product;
    const int n = p.epilogue.n;
    product.multiply({reinterpret_cast<const uint8_t*>(p.a), m, p.lda * 2},
                     {reinterpret_cast<const uint8_t*>(p.w), n, p.ldw * 2}, p.ldw * 2);
    product.for_each_pair(m, n, [&](int row, int column, float first, float second) {
      const float y0 = add_rn(first, load_global(p.epilogue.bias + column));
      const float y1 =
          column + 1 < n ? add_rn(second, load_global(p.epilogue.bias + column + 1)) : 0.0f;
      gemm_finish_pair<kActivation>(p.epilogue, row, column, y0, y1);
    });
  }
};

}  // namespace tamis::cuda::device
