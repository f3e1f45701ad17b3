// What gemm_s8's kernels do with a tile's sums: scales, bias, outlier columns, and what
// gemm_results-inl.h has. For kernels.
#pragma once

#include "kernels/cuda/gemm/gemm_results-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8.h"

namespace tamis::cuda::device {

/// The numbers of a product's columns, each pair where a lane wants it.
template <typename Results>
class ColumnsS8 {
 public:
  using Pair = typename Results::Pair;

  TAMIS_DEVICE ColumnsS8(const GemmS8Params& p, const Results& results)
      : p_(p), results_(results) {}

  [[nodiscard]] TAMIS_DEVICE Pair weight_scale(int j) const {
    return results_.of_columns(p_.weight_scale, j);
  }
  [[nodiscard]] TAMIS_DEVICE Pair colsum(int j) const { return results_.of_columns(p_.colsum, j); }
  [[nodiscard]] TAMIS_DEVICE Pair bias(int j) const {
    return results_.of_columns(p_.epilogue.bias, j);
  }

 private:
  const GemmS8Params& p_;
  const Results& results_;
};

template <int kDown, int kAcross, GemmActivation kActivation>
class ResultsS8 {
 public:
  using Results = GemmResults<kDown, kAcross, kActivation>;

  /// sums.sum(i, j, r) are those of GemmResults::at(i, j, r); `columns` as ColumnsS8. How many rows
  /// there are is read again where it is wanted, which the compiler may not share: there is no
  /// register to keep it in.
  template <typename Sums, typename Columns>
  static TAMIS_DEVICE void make(const GemmS8Params& p, const Sums& sums, const Columns& columns,
                                Results& results) {
    scale(p, load_fresh(p.m), sums, columns, results);
    for (int r = 0; r < p.outliers; ++r) add_outlier(p, load_fresh(p.m), r, results);
  }

 private:
  // Columns outside, so that what belongs to them is loaded once; rows' numbers stay in registers.
  template <typename Sums, typename Columns>
  static TAMIS_DEVICE void scale(const GemmS8Params& p, int m, const Sums& sums,
                                 const Columns& columns, Results& results) {
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
      const auto weight_scale = columns.weight_scale(j);
      const auto colsum = columns.colsum(j);
      const auto bias = columns.bias(j);
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
