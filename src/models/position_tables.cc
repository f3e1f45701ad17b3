#include "models/position_tables.h"

#include <cmath>

namespace tamis::models {

void project_plainly(const Projection& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = p.bias == nullptr ? 0 : p.bias[j];
      for (int64_t c = 0; c < p.k; ++c) sum += double{p.x[i * p.k + c]} * p.w[j * p.k + c];
      p.y[i * p.n + j] = static_cast<float>(sum);
    }
  }
}

namespace {

void normalize_row(std::span<const float> x, const Tensor& gamma, const Tensor& beta,
                   double epsilon, std::span<float> y) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const float value : x) mean += value;
  mean /= n;
  double variance = 0;
  for (const float value : x) variance += (value - mean) * (value - mean);
  const double factor = 1 / std::sqrt(variance / n + epsilon);
  const auto scale = gamma.as<float>();
  const auto offset = beta.as<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<float>((x[i] - mean) * factor * scale[i] + offset[i]);
  }
}

}  // namespace

Tensor normalize_rows(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon) {
  Tensor y(DType::kF32, x.shape());
  const auto n = static_cast<size_t>(x.shape()[1]);
  for (size_t row = 0; row < static_cast<size_t>(x.shape()[0]); ++row) {
    normalize_row(x.as<float>().subspan(row * n, n), gamma, beta, epsilon,
                  y.mutable_as<float>().subspan(row * n, n));
  }
  return y;
}

}  // namespace tamis::models
