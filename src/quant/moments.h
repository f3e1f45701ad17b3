// Mean, variance and covariance of the columns of a matrix that comes in pieces.
//
// Is: O(columns) memory, or O(columns^2) where the covariance is wanted. Is not: a range. May use:
// kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"

namespace tamis::quant {

/// Not thread-safe. Sums are kept in double around the first row seen, so that a large mean costs
/// no digits.
class ColumnMoments {
 public:
  explicit ColumnMoments(int64_t columns);
  /// Rows [count, columns], row-major.
  void add(std::span<const float> rows);
  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] std::vector<double> mean() const;
  /// Over count, not count - 1.
  [[nodiscard]] std::vector<double> variance() const;

 private:
  int64_t count_ = 0;
  std::vector<double> origin_;
  std::vector<double> sum_;
  std::vector<double> squares_;
};

/// (1 / rows) X^T X of X - mean, [columns, columns] float32, for X [rows, columns] row-major.
[[nodiscard]] std::vector<float> covariance(std::span<const float> x, std::span<const double> mean,
                                            ThreadPool& pool, IsaSet isas = detected_isas());

}  // namespace tamis::quant
