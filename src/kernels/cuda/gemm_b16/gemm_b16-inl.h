// The kernel of gemm_b16.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm/gemm_results-inl.h"
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
  using Sums = TileProduct<kTile, ProductB16>;
  static constexpr int kDown = kTile.warp_rows / 16;

 public:
  static TAMIS_DEVICE void run(const GemmB16Params& p) {
    const int m = load_global(p.m);
    if (block_y() * kTile.rows >= m) return;
    Sums sums;
    sums.multiply({reinterpret_cast<const uint8_t*>(p.a), m, p.lda * 2},
                  {reinterpret_cast<const uint8_t*>(p.w), p.epilogue.n, p.ldw * 2}, p.ldw * 2);
    GemmResults<kDown, Sums::kOwnAcross, kActivation> results(p.epilogue, p.m, sums.row(),
                                                              sums.column());
    TAMIS_UNROLL
    for (int j = 0; j < Sums::kOwnAcross; ++j) {
      const auto bias = results.of_columns(p.epilogue.bias, j);
      TAMIS_UNROLL
      for (int c = 0; c < 2; ++c) {
        TAMIS_UNROLL
        for (int i = 0; i < kDown; ++i) {
          TAMIS_UNROLL
          for (int half = 0; half < 2; ++half) {
            results.at(i, j, half * 2 + c) = add_rn(sums.sum(i, j, half * 2 + c), bias.of[c]);
          }
        }
      }
    }
    results.finish();
  }
};

}  // namespace tamis::cuda::device
