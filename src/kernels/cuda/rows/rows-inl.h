// A warp a row: residual, LayerNorm and the quantization to u8, alone or one behind the other.
//
// Is: the GPU's layer_norm and quantize_rows in one pass over a row that stays in registers. Is
// not: for rows above 1,024 columns. May use: device.h.
//
// Maths. The quantization is that of kernels/cpu/quantize_rows, bit for bit. LayerNorm is float32:
// the mean by pairs in a fixed order, the variance around it; it differs from the CPU's in the last
// bits of its sums.
#pragma once

#include "kernels/cuda/device.h"

namespace tamis::cuda {

inline constexpr int kRowsWarps = 4;  // of a block
inline constexpr int kMostOutlierColumns = 8;

/// Pointers are to device memory; rows are `width` floats, which is a multiple of four, one behind
/// the other, aligned to 16 bytes. Null leaves a part out, but x.
struct RowsParams {
  int rows = 0;
  int width = 0;
  const float* x = nullptr;         // [rows, width]
  const float* residual = nullptr;  // [rows, width], added first
  const float* gamma = nullptr;     // [width]: LayerNorm
  const float* beta = nullptr;      // [width]
  float epsilon = 0;
  float* y = nullptr;               // [rows, width]: LayerNorm's result, or the sum
  const float* multiply = nullptr;  // [width], and
  const float* offset = nullptr;    // [width]: as QuantizeRowsArgs has them
  uint8_t* q = nullptr;             // [rows, ldq]
  int ldq = 0;                      // a multiple of four, at least width
  float* scale = nullptr;           // [rows]
  float* low = nullptr;             // [rows]
  int outliers = 0;
  const int32_t* outlier_columns = nullptr;
  float* outlier_values = nullptr;  // [rows, 8]
};

namespace device {

/// width <= 128 * kVectors. Launch with kRowsWarps * 32 threads, a block for each kRowsWarps rows.
template <int kVectors>
class RowKernel {
 public:
  static TAMIS_DEVICE void run(const RowsParams& p) {
    const int row = block_x() * kRowsWarps + thread_x() / 32;
    if (row >= p.rows) return;
    RowKernel kernel(p, row);
    kernel.load();
    if (p.gamma != nullptr) kernel.normalize();
    if (p.y != nullptr) kernel.store();
    if (p.q != nullptr) kernel.quantize();
  }

 private:
  TAMIS_DEVICE RowKernel(const RowsParams& p, int row)
      : p_(p), row_(row), lane_(thread_x() % 32), base_(static_cast<int64_t>(row) * p.width) {}

  /// The first of this lane's four columns of vector i; at or behind `width`: none.
  [[nodiscard]] TAMIS_DEVICE int column(int i) const { return (i * 32 + lane_) * 4; }

  static TAMIS_DEVICE void read(const float* from, float (&v)[4]) {
    const Vec4 words = load_global(reinterpret_cast<const Vec4*>(from));
    v[0] = float_of(words.x);
    v[1] = float_of(words.y);
    v[2] = float_of(words.z);
    v[3] = float_of(words.w);
  }

  TAMIS_DEVICE void load() {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) v_[i][e] = 0;
      if (column(i) >= p_.width) continue;
      read(p_.x + base_ + column(i), v_[i]);
      if (p_.residual == nullptr) continue;
      float more[4];
      read(p_.residual + base_ + column(i), more);
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) v_[i][e] = add_rn(v_[i][e], more[e]);
    }
  }

  TAMIS_DEVICE void normalize() {
    const float count = to_float(p_.width);
    float sum = 0;
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      sum = add_rn(sum, add_rn(add_rn(v_[i][0], v_[i][1]), add_rn(v_[i][2], v_[i][3])));
    }
    const float mean = div_rn(warp_sum(sum), count);
    float squares = 0;
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        const float centered = sub_rn(v_[i][e], mean);
        squares = fma_rn(centered, centered, squares);
      }
    }
    const float variance = div_rn(warp_sum(squares), count);
    scale_and_shift(mean, div_rn(1.0f, sqrt_rn(add_rn(variance, p_.epsilon))));
  }

  TAMIS_DEVICE void scale_and_shift(float mean, float inverse) {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        const int at = column(i) + e;
        const float normal = mul_rn(sub_rn(v_[i][e], mean), inverse);
        const float scaled = mul_rn(normal, load_global(p_.gamma + at));
        v_[i][e] = p_.beta == nullptr ? scaled : add_rn(scaled, load_global(p_.beta + at));
      }
    }
  }

  TAMIS_DEVICE void store() const {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      store_global(
          reinterpret_cast<Vec4*>(p_.y + base_ + column(i)),
          Vec4{bits_of(v_[i][0]), bits_of(v_[i][1]), bits_of(v_[i][2]), bits_of(v_[i][3])});
    }
  }

  // The outliers' columns leave as they are, before multiplier and offset make them 0.
  TAMIS_DEVICE void copy_outliers() const {
    for (int r = 0; r < p_.outliers; ++r) {
      const int wanted = load_global(p_.outlier_columns + r);
      TAMIS_UNROLL
      for (int i = 0; i < kVectors; ++i) {
        TAMIS_UNROLL
        for (int e = 0; e < 4; ++e) {
          if (column(i) + e != wanted) continue;
          store_global(p_.outlier_values + row_ * kMostOutlierColumns + r, v_[i][e]);
        }
      }
    }
  }

  TAMIS_DEVICE void shift_columns() {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      float multiply[4];
      float offset[4];
      read(p_.multiply + column(i), multiply);
      read(p_.offset + column(i), offset);
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) v_[i][e] = fma_rn(v_[i][e], multiply[e], -offset[e]);
    }
  }

  TAMIS_DEVICE void quantize() {
    copy_outliers();
    if (p_.multiply != nullptr) shift_columns();
    float high = float_of(0xff800000u);  // -infinity
    float negative_low = high;
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        high = max_of(high, v_[i][e]);
        negative_low = max_of(negative_low, -v_[i][e]);
      }
    }
    high = warp_max(high);
    const float low = add_rn(-warp_max(negative_low), 0.0f);  // -0 becomes 0
    const float range = sub_rn(high, low);
    const bool flat = !(range >= 1e-30f);
    if (lane_ == 0) {
      store_global(p_.low + row_, low);
      store_global(p_.scale + row_, flat ? 0.0f : div_rn(range, 255.0f));
    }
    store_levels(low, flat ? 0.0f : div_rn(255.0f, range));
  }

  TAMIS_DEVICE void store_levels(float low, float inverse) const {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      uint32_t word = 0;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        const float level = mul_rn(sub_rn(v_[i][e], low), inverse);
        const int32_t q = round_even(min_of(max_of(level, 0.0f), 255.0f));
        word |= static_cast<uint32_t>(q) << (8 * e);
      }
      store_global(
          reinterpret_cast<uint32_t*>(p_.q + static_cast<int64_t>(row_) * p_.ldq + column(i)),
          word);
    }
  }

  const RowsParams& p_;
  int row_;
  int lane_;
  int64_t base_;
  float v_[kVectors][4];
};

}  // namespace device

}  // namespace tamis::cuda
