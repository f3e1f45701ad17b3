// Rounding of a weight that makes up for each column's error in the columns to come.
//
// Is: GPTQ (Frantar et al. 2022, arXiv 2210.17323, algorithm 1) with fixed scales per output row,
// columns in descending order of the Hessian's diagonal. Is not: a choice of scales. May use:
// kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace tamis::quant {

/// A weight as integers: row i stands for scale[i] * q[i, :].
struct IntegerWeight {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<int8_t> q;
  std::vector<float> scale;
};

/// Rounds each weight to the nearest: scale = max |w| / 127 of the row.
[[nodiscard]] IntegerWeight round_to_nearest(std::span<const float> weight, int64_t rows);

/// `hessian` [columns, columns] is the covariance of the inputs, symmetric; `damp` times the mean
/// of its diagonal is added to it. Falls back to rounding to nearest if it is not positive definite
/// even so. Bits do not depend on the number of threads.
[[nodiscard]] IntegerWeight gptq(std::span<const float> weight, int64_t rows,
                                 std::vector<float> hessian, double damp, ThreadPool& pool);

/// The lower factor L of `a` = L L^T [n, n], in place, the upper part left as it is; false if `a`
/// is not positive definite.
[[nodiscard]] bool cholesky(std::span<float> a, int64_t n, ThreadPool& pool);

/// The transposed inverse of the lower triangular `l` [n, n]: upper triangular, zero below.
[[nodiscard]] std::vector<float> transposed_inverse(std::span<const float> l, int64_t n,
                                                    ThreadPool& pool);

}  // namespace tamis::quant
