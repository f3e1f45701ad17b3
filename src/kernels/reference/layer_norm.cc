#include <cmath>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

struct Moments {
  double mean;
  double variance;  // of the population, as torch.nn.LayerNorm
};

// at(j) is element j of a row.
template <typename At>
Moments moments(int64_t width, const At& at) {
  double sum = 0;
  for (int64_t j = 0; j < width; ++j) sum += at(j);
  const double mean = sum / static_cast<double>(width);
  double squares = 0;
  for (int64_t j = 0; j < width; ++j) squares += (at(j) - mean) * (at(j) - mean);
  return {mean, squares / static_cast<double>(width)};
}

}  // namespace

void layer_norm(const LayerNormArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    const float* x = args.x + i * args.ldx;
    const float* residual = args.residual == nullptr ? nullptr : args.residual + i * args.ldr;
    const auto sum_at = [&](int64_t j) -> float {
      return residual == nullptr ? x[j] : x[j] + residual[j];
    };
    const Moments row = moments(args.width, [&](int64_t j) { return double{sum_at(j)}; });
    const double inverse = 1 / std::sqrt(row.variance + args.eps);
    for (int64_t j = 0; j < args.width; ++j) {
      const float sum = sum_at(j);
      const double normal = (sum - row.mean) * inverse;
      if (args.sum != nullptr) args.sum[i * args.lds + j] = sum;
      args.y[i * args.ldy + j] = static_cast<float>(normal * args.gamma[j] + args.beta[j]);
    }
  }
}

}  // namespace tamis::kernels::reference
