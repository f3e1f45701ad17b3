#include <algorithm>
#include <cmath>

#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

float element(const QuantizeRowsArgs& args, int64_t i, int64_t j) {
  const int64_t at = i * args.ldx + j;
  if (args.x_f16 != nullptr) return f16_to_float(args.x_f16[at]);
  if (args.x_bf16 != nullptr) return bf16_to_float(args.x_bf16[at]);
  return args.x[at];
}

float scaled(const QuantizeRowsArgs& args, int64_t i, int64_t j) {
  const float x = element(args, i, j);
  return args.multiply == nullptr ? x : std::fma(x, args.multiply[j], -args.offset[j]);
}

}  // namespace

void quantize_rows(const QuantizeRowsArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    float low = scaled(args, i, 0);
    float high = low;
    for (int64_t j = 1; j < args.width; ++j) {
      low = std::min(low, scaled(args, i, j));
      high = std::max(high, scaled(args, i, j));
    }
    low += 0.0f;  // -0 becomes 0
    const float range = high - low;
    const bool flat = !(range >= 1e-30f);
    args.low[i] = low;
    args.scale[i] = flat ? 0.0f : range / 255.0f;
    const float inverse = flat ? 0.0f : 255.0f / range;
    uint8_t* q = args.q + i * args.ldq;
    for (int64_t j = 0; j < args.width; ++j) {
      const float level = std::nearbyint((scaled(args, i, j) - low) * inverse);
      if (std::isnan(level)) args.low[i] = args.scale[i] = level;
      q[j] = level > 0 ? static_cast<uint8_t>(std::min(level, 255.0f)) : 0;
    }
    for (int64_t j = args.width; j % 4 != 0; ++j) q[j] = 0;
    for (int64_t r = 0; r < args.outliers; ++r) {
      args.outlier_values[i * 8 + r] = element(args, i, args.outlier_columns[r]);
    }
  }
}

}  // namespace tamis::kernels::reference
