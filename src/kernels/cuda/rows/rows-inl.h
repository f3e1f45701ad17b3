// The kernel of rows.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/rows/rows.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

/// All that RowsParams has; or of an x that the same launch made the quantization alone, or a norm
/// and what follows it.
enum class RowWork { kAll, kQuantizeFresh, kNormFresh };

/// Launch with kShape.threads(), its shared bytes, and a block for each kShape.rows rows.
template <RowShape kShape, RowWork kWork = RowWork::kAll>
class RowKernel {
  static constexpr int kVectors = kShape.vectors;
  static constexpr int kLanes = kShape.warps * 32;  // that share a row

 public:
  static TAMIS_DEVICE void run(const RowsParams& p) {
    const int row = block_x() * kShape.rows + thread_x() / kLanes;
    if (row >= load_global(p.rows) * p.parts) return;
    run_row(p, row);
  }

  /// The warps that share the row come.
  static TAMIS_DEVICE void run_row(const RowsParams& p, int row) {
    RowKernel kernel(p, row);
    kernel.load();
    if constexpr (kWork != RowWork::kQuantizeFresh) {
      if (p.norm != RowNorm::kNone) kernel.normalize();
      if (p.y.data != nullptr) kernel.store();
      if (p.q == nullptr) return;
    }
    kernel.quantize();
  }

 private:
  static constexpr bool kFresh = kWork != RowWork::kAll;

  TAMIS_DEVICE RowKernel(const RowsParams& p, int row)
      : p_(p),
        row_(row),
        lane_(thread_x() % kLanes),
        base_(static_cast<int64_t>(row) * p.width),
        fours_(p.width % 4 == 0) {}

  /// The first of this lane's four columns of vector i.
  [[nodiscard]] TAMIS_DEVICE int column(int i) const { return (i * kLanes + lane_) * 4; }

  /// Calls each(i, e, column) for the lane's values.
  template <typename Each>
  TAMIS_DEVICE void for_each(const Each& each) const {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        if (column(i) + e < p_.width) each(i, e, column(i) + e);
      }
    }
  }

  /// Four values from column `at` on; those behind the row's end stay.
  TAMIS_DEVICE void read(Values from, int64_t first, int at, float (&v)[4]) const {
    if (fours_) return load_four<kFresh>(from, first + at, v);
    TAMIS_UNROLL
    for (int e = 0; e < 4; ++e) {
      if (at + e < p_.width) {
        v[e] = load_value<kFresh>(from, first + at + e);
      }
    }
  }

  // What is added is there before the launch.
  TAMIS_DEVICE void add(const float* from, int64_t first, int at, float (&v)[4]) const {
    if (fours_) {
      float more[4];
      load_four({from, Stored::kF32}, first + at, more);
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) v[e] = add_rn(v[e], more[e]);
      return;
    }
    TAMIS_UNROLL
    for (int e = 0; e < 4; ++e) {
      if (at + e < p_.width) v[e] = add_rn(v[e], load_global(from + first + at + e));
    }
  }

  TAMIS_DEVICE void load() {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) v_[i][e] = 0;
      const int at = column(i);
      if (at >= p_.width) continue;
      if constexpr (kWork == RowWork::kAll) {
        make(at, v_[i]);
      } else {
        read(p_.x, base_, at, v_[i]);
        if (kWork == RowWork::kNormFresh && p_.residual != nullptr) {
          add(p_.residual, base_, at, v_[i]);
        }
      }
    }
  }

  TAMIS_DEVICE void make(int at, float (&v)[4]) const {
    if (p_.tables[0].rows != nullptr) return look_up(at, v);
    if (p_.gate_column >= 0) return gate(at, v);
    read(p_.x, base_, at, v);
    if (p_.residual != nullptr) add(p_.residual, base_, at, v);
  }

  TAMIS_DEVICE void look_up(int at, float (&v)[4]) const {
    for (int t = 0; t < 3; ++t) {
      const RowTable& table = p_.tables[t];
      if (table.rows == nullptr) continue;
      const int64_t id = table.ids == nullptr ? 0 : load_global(table.ids + row_);
      if (t == 0) {
        read({table.rows, Stored::kF32}, id * p_.width, at, v);
      } else {
        add(table.rows, id * p_.width, at, v);
      }
    }
  }

  TAMIS_DEVICE void gate(int at, float (&v)[4]) const {
    float up[4] = {};
    read(p_.x, base_ * 2 + p_.gate_column, at, v);
    read(p_.x, base_ * 2 + p_.width - p_.gate_column, at, up);
    TAMIS_UNROLL
    for (int e = 0; e < 4; ++e) v[e] = mul_rn(activate(p_.activation, v[e], p_.short_gelu), up[e]);
  }

  // Over the warps that share the row; all their lanes come.
  template <typename Join>
  static TAMIS_DEVICE float joined(float value, const Join& join) {
    if (kShape.warps == 1) return value;
    const uint32_t place = shared_base();
    sync_block();
    if (thread_x() % 32 == 0) {
      store_shared32(place + static_cast<uint32_t>(thread_x() / 32) * 4, bits_of(value));
    }
    sync_block();
    float all = float_of(load_shared32(place));
    TAMIS_UNROLL
    for (int w = 1; w < kShape.warps; ++w) {
      all = join(all, float_of(load_shared32(place + static_cast<uint32_t>(w) * 4)));
    }
    return all;
  }
  static TAMIS_DEVICE float row_sum(float value) {
    return joined(warp_sum(value), [](float a, float b) { return add_rn(a, b); });
  }
  static TAMIS_DEVICE float row_max(float value) {
    return joined(warp_max(value), [](float a, float b) { return max_of(a, b); });
  }

  TAMIS_DEVICE void normalize() {
    const float count = to_float(p_.width);
    float mean = 0;
    if (p_.norm == RowNorm::kLayer) {
      float sum = 0;
      TAMIS_UNROLL
      for (int i = 0; i < kVectors; ++i) {
        sum = add_rn(sum, add_rn(add_rn(v_[i][0], v_[i][1]), add_rn(v_[i][2], v_[i][3])));
      }
      mean = div_rn(row_sum(sum), count);
    }
    float squares = 0;
    for_each([&](int i, int e, int) {
      const float centered = sub_rn(v_[i][e], mean);
      squares = fma_rn(centered, centered, squares);
    });
    squares = row_sum(squares);
    const float divisor = p_.norm == RowNorm::kL2
                              ? at_least(p_.epsilon, sqrt_rn(squares))
                              : sqrt_rn(add_rn(div_rn(squares, count), p_.epsilon));
    scale_and_shift(mean, div_rn(1.0f, divisor));
  }

  TAMIS_DEVICE void scale_and_shift(float mean, float inverse) {
    for_each([&](int i, int e, int at) {
      float x = mul_rn(sub_rn(v_[i][e], mean), inverse);
      if (p_.gamma != nullptr) x = mul_rn(x, load_global(p_.gamma + at));
      if (p_.beta != nullptr) x = add_rn(x, load_global(p_.beta + at));
      v_[i][e] = x;
    });
  }

  TAMIS_DEVICE void store() const {
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int at = column(i);
      if (at >= p_.width) continue;
      if (fours_) {
        store_four(p_.y, base_ + at, v_[i]);
        continue;
      }
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        if (at + e < p_.width) store_value(p_.y, base_ + at + e, v_[i][e]);
      }
    }
  }

  // The outliers' columns leave as they are, before multiplier and offset make them 0.
  TAMIS_DEVICE void copy_outliers() const {
    for (int r = 0; r < p_.outliers; ++r) {
      const int wanted = load_global(p_.outlier_columns + r);
      for_each([&](int i, int e, int at) {
        if (at == wanted) {
          store_global(p_.outlier_values + row_ * kMaxOutliers + r, v_[i][e]);
        }
      });
    }
  }

  TAMIS_DEVICE void quantize() {
    copy_outliers();
    if (p_.multiply != nullptr) {
      for_each([&](int i, int e, int at) {
        v_[i][e] = fma_rn(v_[i][e], load_global(p_.multiply + at), -load_global(p_.offset + at));
      });
    }
    float high = float_of(0xff800000u);  // -infinity
    float negative_low = high;
    for_each([&](int i, int e, int) {
      high = max_of(high, v_[i][e]);
      negative_low = max_of(negative_low, -v_[i][e]);
    });
    high = row_max(high);
    const float low = add_rn(-row_max(negative_low), 0.0f);  // -0 becomes 0
    const float range = sub_rn(high, low);
    const bool flat = !(range >= 1e-30f);
    const bool finite = store_levels(low, flat ? 0.0f : div_rn(255.0f, range));
    if (lane_ != 0) return;
    const float nan = float_of(0x7fc00000u);
    store_global(p_.low + row_, finite ? low : nan);
    store_global(p_.scale + row_, !finite ? nan : flat ? 0.0f : div_rn(range, 255.0f));
  }

  // False, in all lanes, where a level is not a number: then a value of the row is not finite.
  TAMIS_DEVICE bool store_levels(float low, float inverse) const {
    float strange = 0;
    TAMIS_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if (column(i) >= p_.width) continue;
      uint32_t word = 0;
      TAMIS_UNROLL
      for (int e = 0; e < 4; ++e) {
        if (column(i) + e >= p_.width) continue;
        const float level = mul_rn(sub_rn(v_[i][e], low), inverse);
        if (level != level) strange = 1;
        const int32_t q = round_even(min_of(max_of(level, 0.0f), 255.0f));
        word |= static_cast<uint32_t>(q) << (8 * e);
      }
      auto* row = p_.q + static_cast<int64_t>(row_) * p_.ldq;
      store_global(reinterpret_cast<uint32_t*>(row + column(i)), word);
    }
    return row_max(strange) == 0;
  }

  const RowsParams& p_;
  int row_;
  int lane_;
  int64_t base_;
  bool fours_;
  float v_[kVectors][4];
};

}  // namespace tamis::cuda::device
