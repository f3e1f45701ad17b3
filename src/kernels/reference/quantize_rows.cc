#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

float scaled(const QuantizeRowsArgs& args, const float* x, int64_t j) {
  return args.multiply == nullptr ? x[j] : std::fma(x[j], args.multiply[j], -args.offset[j]);
}

}  // namespace

void quantize_rows(const QuantizeRowsArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    const float* x = args.x + i * args.ldx;
    float low = scaled(args, x, 0);
    float high = low;
    for (int64_t j = 1; j < args.width; ++j) {
      low = std::min(low, scaled(args, x, j));
      high = std::max(high, scaled(args, x, j));
    }
    low += 0.0f;  // -0 becomes 0
    const float range = high - low;
    const bool flat = !(range >= 1e-30f);
    args.low[i] = low;
    args.scale[i] = flat ? 0.0f : range / 255.0f;
    const float inverse = flat ? 0.0f : 255.0f / range;
    uint8_t* q = args.q + i * args.ldq;
    for (int64_t j = 0; j < args.width; ++j) {
      const float level = std::nearbyint((scaled(args, x, j) - low) * inverse);
      q[j] = static_cast<uint8_t>(std::clamp(level, 0.0f, 255.0f));
    }
    for (int64_t j = args.width; j % 4 != 0; ++j) q[j] = 0;
    for (int64_t r = 0; r < args.outliers; ++r) {
      args.outlier_values[i * 8 + r] = x[args.outlier_columns[r]];
    }
  }
}

}  // namespace tamis::kernels::reference
