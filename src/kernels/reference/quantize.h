// Floats to integers and back: the definition of every quantization scheme's arithmetic.
//
// Is: what integer kernels must match integer for integer, and what a simulation runs. Is not:
// fast, or a choice of ranges. May use: graph-free types only.
//
// All rounding is to nearest, ties to even; all arithmetic is float32 in the order written, so that
// no contraction into fused multiply-adds can change it. Thread-safe, allocates nothing. NaN in
// gives NaN or any in-range integer out, never a fault.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

namespace tamis::kernels::reference {

/// One row of activations, before it is quantized: y[j] = fma(x[j], multiplier[j], -offset[j]), as
/// in cpu/quantize_rows.h, which has the per-token u8 scheme. Outlier columns have 0 for both.
struct RowToQuantize {
  std::span<const float> x;
  const float* multiplier = nullptr;  ///< [n], or null: y = x
  const float* offset = nullptr;      ///< [n], there if multiplier is
  [[nodiscard]] float y(size_t j) const {
    return multiplier == nullptr ? x[j] : std::fma(x[j], multiplier[j], -offset[j]);
  }
};

/// Per token symmetric: scale = max |y| / 127, q = round(y * (1 / scale)) in [-127, 127]. Returns
/// the scale, 0 for a row of zeros.
float quantize_row_s8(const RowToQuantize& row, std::span<int8_t> q);

/// Below this a scale counts as 0, so that its reciprocal is finite: 2^-100.
inline constexpr float kLeastScale = 0x1p-100f;

/// Static symmetric s8: scale = amax / 127, q = clamp(round(y / scale), -128, 127); all 0 if amax
/// is below 2^-24 (pytorch-quantization's rule).
[[nodiscard]] float static_s8_scale(float amax);
[[nodiscard]] int8_t quantize_static_s8(float y, float scale);

/// Static u8 as ONNX Runtime has it: the range is widened to hold 0, scale = (high - low) / 255,
/// zero = round(-low / scale), q = clamp(round(y / scale) + zero, 0, 255).
struct StaticU8 {
  float scale = 0;
  int32_t zero = 0;
};
[[nodiscard]] StaticU8 static_u8(float low, float high);
[[nodiscard]] uint8_t quantize_static_u8(float y, const StaticU8& range);

/// A row of a weight: scale = max |w| / 127, q = round(w / scale). Returns the scale, 0 for a row
/// of zeros.
float quantize_weight_row(std::span<const float> w, std::span<int8_t> q);

/// Probabilities of one query as u8 of p / max p, which stand for q / (sum of q): rows still sum to
/// 1. Written back in place.
void fake_quantize_probabilities(std::span<float> p);

}  // namespace tamis::kernels::reference
