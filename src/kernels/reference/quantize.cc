#include "kernels/reference/quantize.h"

#include <algorithm>
#include <cmath>

namespace tamis::kernels::reference {

namespace {

// In the current rounding mode, which is to nearest even.
float round_even(float x) { return std::rint(x); }

// As an integer type; NaN gives `least`.
template <typename Int>
Int to_level(float level, float least, float most) {
  if (!(level > least)) return static_cast<Int>(least);
  return static_cast<Int>(std::min(level, most));
}

float reciprocal(float scale) { return scale >= kLeastScale ? 1.0f / scale : 0.0f; }

}  // namespace

float quantize_row_s8(const RowToQuantize& row, std::span<int8_t> q) {
  float most = 0;
  for (size_t j = 0; j < q.size(); ++j) most = std::max(most, std::abs(row.y(j)));
  const float scale = most / 127.0f;
  const float inverse = reciprocal(scale);
  for (size_t j = 0; j < q.size(); ++j) {
    q[j] = to_level<int8_t>(round_even(row.y(j) * inverse), -127.0f, 127.0f);
  }
  return inverse == 0.0f ? 0.0f : scale;
}

float static_s8_scale(float amax) { return amax < 0x1p-24f ? 0.0f : amax / 127.0f; }

int8_t quantize_static_s8(float y, float scale) {
  if (!(scale > 0)) return 0;
  return to_level<int8_t>(round_even(y / scale), -128.0f, 127.0f);
}

StaticU8 static_u8(float low, float high) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  const float scale = (high - low) / 255.0f;
  if (!(scale >= kLeastScale)) return {0.0f, 0};
  return {scale, to_level<int32_t>(round_even(-low / scale), 0.0f, 255.0f)};
}

uint8_t quantize_static_u8(float y, const StaticU8& range) {
  if (!(range.scale > 0)) return 0;
  const float level = round_even(y / range.scale) + static_cast<float>(range.zero);
  return to_level<uint8_t>(level, 0.0f, 255.0f);
}

float quantize_weight_row(std::span<const float> w, std::span<int8_t> q) {
  float most = 0;
  for (const float value : w) most = std::max(most, std::abs(value));
  const float scale = most / 127.0f;
  if (!(scale >= kLeastScale)) {
    std::fill(q.begin(), q.end(), int8_t{0});
    return 0.0f;
  }
  for (size_t j = 0; j < w.size(); ++j) {
    q[j] = to_level<int8_t>(round_even(w[j] / scale), -127.0f, 127.0f);
  }
  return scale;
}

void fake_quantize_probabilities(std::span<float> p) {
  float most = 0;
  for (const float value : p) most = std::max(most, value);
  if (!(most >= kLeastScale)) return;
  const float inverse = 255.0f / most;
  float sum = 0;  // exact: at most 2^16 terms of at most 255 lie below 2^24
  for (float& value : p) {
    value = round_even(value * inverse);
    sum += value;
  }
  for (float& value : p) value /= sum;
}

}  // namespace tamis::kernels::reference
