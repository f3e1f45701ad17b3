// The kernel of gemm_s8.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm/gemm_tile-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8.h"

namespace tamis::cuda::device {

struct ProductS8 {
  using Sum = int32_t;
  static TAMIS_DEVICE void multiply(Sum (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    multiply_u8s8(d, a, b0, b1);
  }
};

template <GemmTile kTile, GemmActivation kActivation>
class GemmS8 {
 public:
  static TAMIS_DEVICE void run(const GemmS8Params& p) {
    const int m = load_global(p.m);
    if (block_y() * kTile.rows >= m) return;
    TileProduct<kTile, ProductS8> product;
    product.multiply({p.a, m, p.lda}, {reinterpret_cast<const uint8_t*>(p.w), p.epilogue.n, p.ldw},
                     p.k);
    const int n = p.epilogue.n;
    product.for_each_pair(m, n, [&](int row, int column, int32_t first, int32_t second) {
      const float y0 = scaled(p, row, column, first);
      const float y1 = column + 1 < n ? scaled(p, row, column + 1, second) : 0.0f;
      gemm_finish_pair<kActivation>(p.epilogue, row, column, y0, y1);
    });
  }

 private:
  static TAMIS_DEVICE float scaled(const GemmS8Params& p, int row, int column, int32_t sum) {
    const float low = mul_rn(load_global(p.low + row), load_global(p.colsum + column));
    const float x = fma_rn(to_float(sum), load_global(p.scale + row), low);
    float y =
        fma_rn(x, load_global(p.weight_scale + column), load_global(p.epilogue.bias + column));
    for (int r = 0; r < p.outliers; ++r) {
      y = fma_rn(load_global(p.outlier_values + row * 8 + r),
                 load_global(p.outlier_weights + r * p.epilogue.n + column), y);
    }
    return y;
  }
};

}  // namespace tamis::cuda::device
