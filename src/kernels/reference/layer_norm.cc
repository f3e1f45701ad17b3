#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

// What a row is shifted and multiplied by.
struct Normal {
  double mean;
  double inverse;
};

// at(j) is element j of a row. The variance is that of the population, as torch.nn.LayerNorm's.
template <typename At>
Normal normal_of(const LayerNormArgs& args, int64_t width, const At& at) {
  const auto count = static_cast<double>(width);
  double mean = 0;
  if (args.kind == NormKind::kLayer) {
    for (int64_t j = 0; j < width; ++j) mean += at(j);
    mean /= count;
  }
  double squares = 0;
  for (int64_t j = 0; j < width; ++j) squares += (at(j) - mean) * (at(j) - mean);
  if (args.kind == NormKind::kL2) return {0, 1 / std::max(std::sqrt(squares), double{args.eps})};
  return {mean, 1 / std::sqrt(squares / count + args.eps)};
}

// Elements [first, first + width) of row i.
void normalize_part(const LayerNormArgs& args, int64_t i, int64_t first, int64_t width) {
  const float* x = args.x + i * args.ldx + first;
  const float* residual = args.residual == nullptr ? nullptr : args.residual + i * args.ldr;
  const auto sum_at = [&](int64_t j) -> float {
    return residual == nullptr ? x[j] : x[j] + residual[j];
  };
  const Normal row = normal_of(args, width, [&](int64_t j) { return double{sum_at(j)}; });
  for (int64_t j = 0; j < width; ++j) {
    const float sum = sum_at(j);
    double y = (sum - row.mean) * row.inverse;
    if (args.gamma != nullptr) y *= args.gamma[j];
    if (args.beta != nullptr) y += args.beta[j];
    if (args.sum != nullptr) args.sum[i * args.lds + j] = sum;
    args.y[i * args.ldy + first + j] = static_cast<float>(y);
  }
}

}  // namespace

void layer_norm(const LayerNormArgs& args) {
  const int64_t width = args.width / args.parts;
  for (int64_t i = 0; i < args.rows; ++i) {
    for (int64_t part = 0; part < args.parts; ++part) {
      normalize_part(args, i, part * width, width);
    }
  }
}

}  // namespace tamis::kernels::reference
