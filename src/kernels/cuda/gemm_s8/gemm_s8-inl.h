// The kernel of gemm_s8.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm/gemm_results-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8.h"
#include "kernels/cuda/rows/row_tail-inl.h"

namespace tamis::cuda::device {

struct ProductS8 {
  using Sum = int32_t;
  static TAMIS_DEVICE void multiply(Sum (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    multiply_u8s8(d, a, b0, b1);
  }
};

template <GemmTile kTile, GemmActivation kActivation>
class GemmS8 {
  using Sums = TileProduct<kTile, ProductS8>;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kDown = kTile.warp_rows / 16;
  static constexpr int kAcross = Sums::kOwnAcross;
  using Results = GemmResults<kDown, kAcross, kActivation>;

 public:
  static TAMIS_DEVICE void run(const GemmS8Params& p) {
    const int first = block_y() * kTile.rows;
    if (first >= load_global(p.m)) return;
    multiply(p);
    if (p.tail.finished != nullptr) finish(p, first);
  }

 private:
  // How many rows there are is read again where it is wanted, which the compiler may not share: the
  // loop has no register to keep it in.
  static TAMIS_DEVICE void multiply(const GemmS8Params& p) {
    Sums sums;
    sums.multiply({p.a, load_fresh(p.m), p.lda},
                  {reinterpret_cast<const uint8_t*>(p.w), p.epilogue.n, p.ldw}, p.k);
    Results results(p.epilogue, p.m, sums.row(), sums.column());
    scale(p, load_fresh(p.m), sums, results);
    for (int r = 0; r < p.outliers; ++r) add_outlier(p, load_fresh(p.m), r, results);
    results.finish();
  }

  static TAMIS_DEVICE void finish(const GemmS8Params& p, int first) {
    const int m = load_fresh(p.m);
    const int end = first + kTile.rows < m ? first + kTile.rows : m;
    const int blocks = (p.epilogue.n + kTile.columns - 1) / kTile.columns;
    constexpr bool kNorms = kActivation == GemmActivation::kNone;
    finish_rows<kThreads, kNorms>(p.tail, block_y(), blocks, first, end);
  }

  // Columns outside, so that what belongs to them is loaded once; rows' numbers stay in registers.
  static TAMIS_DEVICE void scale(const GemmS8Params& p, int m, const Sums& sums, Results& results) {
    float scale[kDown][2];
    float low[kDown][2];
    TAMIS_UNROLL
    for (int i = 0; i < kDown; ++i) {
      TAMIS_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int64_t row = results.known_row(i, half, m);
        scale[i][half] = load_global(p.scale + row);
        low[i][half] = load_global(p.low + row);
      }
    }
    TAMIS_UNROLL
    for (int j = 0; j < kAcross; ++j) {
      const auto weight_scale = results.of_columns(p.weight_scale, j);
      const auto colsum = results.of_columns(p.colsum, j);
      const auto bias = results.of_columns(p.epilogue.bias, j);
      TAMIS_UNROLL
      for (int c = 0; c < 2; ++c) {
        TAMIS_UNROLL
        for (int i = 0; i < kDown; ++i) {
          TAMIS_UNROLL
          for (int half = 0; half < 2; ++half) {
            const float sum = to_float(sums.sum(i, j, half * 2 + c));
            const float x = fma_rn(sum, scale[i][half], mul_rn(low[i][half], colsum.of[c]));
            results.at(i, j, half * 2 + c) = fma_rn(x, weight_scale.of[c], bias.of[c]);
          }
        }
      }
    }
  }

  static TAMIS_DEVICE void add_outlier(const GemmS8Params& p, int m, int r, Results& results) {
    const float* weights = p.outlier_weights + static_cast<int64_t>(r) * p.epilogue.n;
    float values[kDown][2];
    TAMIS_UNROLL
    for (int i = 0; i < kDown; ++i) {
      TAMIS_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int64_t row = results.known_row(i, half, m);
        values[i][half] = load_global(p.outlier_values + row * kMaxOutliers + r);
      }
    }
    TAMIS_UNROLL
    for (int j = 0; j < kAcross; ++j) {
      const auto weight = results.of_columns(weights, j);
      TAMIS_UNROLL
      for (int c = 0; c < 2; ++c) {
        TAMIS_UNROLL
        for (int i = 0; i < kDown; ++i) {
          TAMIS_UNROLL
          for (int half = 0; half < 2; ++half) {
            float& y = results.at(i, j, half * 2 + c);
            y = fma_rn(values[i][half], weight.of[c], y);
          }
        }
      }
    }
  }
};

}  // namespace tamis::cuda::device
