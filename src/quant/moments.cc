#include "quant/moments.h"

#include <algorithm>

#include "quant/gemm.h"

namespace tamis::quant {

ColumnMoments::ColumnMoments(int64_t columns)
    : origin_(static_cast<size_t>(columns)),
      sum_(static_cast<size_t>(columns)),
      squares_(static_cast<size_t>(columns)) {}

void ColumnMoments::add(std::span<const float> rows) {
  const size_t n = origin_.size();
  if (rows.size() < n || n == 0) return;
  if (count_ == 0) std::copy_n(rows.begin(), n, origin_.begin());
  for (size_t row = 0; row + n <= rows.size(); row += n) {
    for (size_t j = 0; j < n; ++j) {
      const double x = double{rows[row + j]} - origin_[j];
      sum_[j] += x;
      squares_[j] += x * x;
    }
    ++count_;
  }
}

std::vector<double> ColumnMoments::mean() const {
  std::vector<double> mean(origin_.size());
  for (size_t j = 0; j < mean.size() && count_ > 0; ++j) {
    mean[j] = origin_[j] + sum_[j] / static_cast<double>(count_);
  }
  return mean;
}

std::vector<double> ColumnMoments::variance() const {
  std::vector<double> variance(origin_.size());
  for (size_t j = 0; j < variance.size() && count_ > 0; ++j) {
    const double shift = sum_[j] / static_cast<double>(count_);
    variance[j] = std::max(0.0, squares_[j] / static_cast<double>(count_) - shift * shift);
  }
  return variance;
}

std::vector<float> covariance(std::span<const float> x, std::span<const double> mean,
                              ThreadPool& pool, IsaSet isas) {
  // Tokens a time: their transposed block stays in the level-2 cache for 384 columns.
  constexpr size_t kBlock = 256;
  const size_t n = mean.size();
  const size_t rows = n == 0 ? 0 : x.size() / n;
  std::vector<float> out(n * n, 0.0f);
  std::vector<float> transposed(n * kBlock);
  for (size_t first = 0; first < rows; first += kBlock) {
    const size_t count = std::min(kBlock, rows - first);
    for (size_t t = 0; t < count; ++t) {
      for (size_t j = 0; j < n; ++j) {
        transposed[j * kBlock + t] = static_cast<float>(x[(first + t) * n + j] - mean[j]);
      }
    }
    GemmOperands product;
    product.m = product.n = product.ldc = static_cast<int64_t>(n);
    product.k = static_cast<int64_t>(count);
    product.a = product.b = transposed.data();
    product.lda = product.ldb = kBlock;
    product.c = out.data();
    gemm_add(product, pool, isas);
  }
  for (float& value : out) value /= static_cast<float>(rows);
  return out;
}

}  // namespace tamis::quant
