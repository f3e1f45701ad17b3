// What follows a tile's sums: activation, residual, and how results are stored.
//
// Is: the results that a lane holds, and passes over all of them, each of which has its branches
// outside. For kernels, included after gemm_tile-inl.h. Is not: what makes results of sums, which
// is each family's.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/gemm/gemm_tile-inl.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

/// kDown x kAcross blocks of 16 x 8, of which this lane has pairs of neighbors in a row, as
/// TileProduct::sum() has them; `row` and `column` are those of the first.
template <int kDown, int kAcross, GemmActivation kActivation>
class GemmResults {
 public:
  /// How many rows there are is read where it is wanted, each time anew: there is no register to
  /// keep it in. The whole block comes; of shared memory no more is wanted.
  TAMIS_DEVICE GemmResults(const GemmEpilogue& p, const int32_t* m, int row, int column)
      : p_(p), m_(m), row_(row), column_(column) {}

  TAMIS_DEVICE float& at(int i, int j, int r) { return y_[i][j][r]; }
  /// Of numbers of columns those of a pair; behind the last column there are others, for results
  /// that nothing stores.
  struct Pair {
    float of[2];
  };
  [[nodiscard]] TAMIS_DEVICE Pair of_columns(const float* numbers, int j) const {
    if constexpr (kActivation == GemmActivation::kAny) {
      const int last = p_.n - 1;
      const int first = column(j) < last ? column(j) : last;
      return {
          {load_global(numbers + first), load_global(numbers + (first < last ? first + 1 : last))}};
    } else {
      const int last = p_.n - 2;
      const float* pair = numbers + (column(j) < last ? column(j) : last);
      const Vec2 words = load_global(reinterpret_cast<const Vec2*>(pair));
      return {{float_of(words.x), float_of(words.y)}};
    }
  }
  /// Row half of block i, or the last of m rows where it is behind that.
  [[nodiscard]] TAMIS_DEVICE int64_t known_row(int i, int half, int m) const {
    return row(i, half) < m ? row(i, half) : m - 1;
  }

  TAMIS_DEVICE void finish() {
    if constexpr (kActivation == GemmActivation::kShortGelu) {
      apply_short_gelu();
    } else if constexpr (kActivation == GemmActivation::kAny) {
      for_all([&](float& y) { y = activate(p_.activation, y, p_.short_gelu); });
    }
    if constexpr (kActivation == GemmActivation::kAny) {
      if (p_.n % 2 != 0) return finish_singly();
    }
    if constexpr (kActivation != GemmActivation::kShortGelu) {
      if (p_.residual != nullptr) add_residual();
    }
    store_pairs();
  }

 private:
  [[nodiscard]] TAMIS_DEVICE int row(int i, int half) const { return row_ + i * 16 + half * 8; }
  [[nodiscard]] TAMIS_DEVICE int column(int j) const { return column_ + j * 8; }

  template <typename Each>
  TAMIS_DEVICE void for_all(const Each& each) {
    TAMIS_UNROLL
    for (int i = 0; i < kDown; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kAcross; ++j) {
        TAMIS_UNROLL
        for (int r = 0; r < 4; ++r) each(y_[i][j][r]);
      }
    }
  }

  /// Calls each(p, first, second) for the pairs in rows below m and columns below n; p is where the
  /// pair lies in values [m, n] of type T from `begin` on.
  template <typename T, typename Each>
  TAMIS_DEVICE void for_each_pair(T* begin, const Each& each) {
    const int m = load_fresh(m_);
    T* of_row = begin + static_cast<int64_t>(row_) * p_.n + column_;
    TAMIS_UNROLL
    for (int i = 0; i < kDown; ++i) {
      TAMIS_UNROLL
      for (int half = 0; half < 2; ++half, of_row += static_cast<int64_t>(p_.n) * 8) {
        if (row(i, half) >= m) continue;
        TAMIS_UNROLL
        for (int j = 0; j < kAcross; ++j) {
          if (column(j) >= p_.n) continue;
          each(of_row + j * 8, y_[i][j][half * 2], y_[i][j][half * 2 + 1]);
        }
      }
    }
  }

  // The fit's numbers lie in shared memory, one a bank.
  TAMIS_DEVICE void apply_short_gelu() {
    const uint32_t table = shared_base();
    if (thread_x() < kShortGeluNumbers - 1) {
      const auto at = static_cast<uint32_t>(thread_x());
      store_shared32(table + at * 4, bits_of(load_fresh(p_.short_gelu + 1 + thread_x())));
    }
    sync_block();
    const float per_unit = load_fresh(p_.short_gelu);
    for_all([&](float& y) { y = short_gelu_in_shared(y, per_unit, table); });
  }

  TAMIS_DEVICE void add_residual() {
    for_each_pair(p_.residual, [](const float* p, float& first, float& second) {
      const Vec2 more = load_global(reinterpret_cast<const Vec2*>(p));
      first = add_rn(first, float_of(more.x));
      second = add_rn(second, float_of(more.y));
    });
  }

  TAMIS_DEVICE void store_pairs() {
    switch (p_.c.stored) {
      case Stored::kF32:
        return for_each_pair(static_cast<float*>(p_.c.data), [](float* p, float a, float b) {
          store_global(reinterpret_cast<Vec2*>(p), Vec2{bits_of(a), bits_of(b)});
        });
      case Stored::kF16:
        return store_packed([](float a, float b) { return pack_f16_held(a, b); });
      case Stored::kB16:
        return store_packed([](float a, float b) { return pack_b16(a, b); });
    }
  }
  template <typename Pack>
  TAMIS_DEVICE void store_packed(const Pack& pack) {
    for_each_pair(static_cast<uint16_t*>(p_.c.data), [&](uint16_t* p, float a, float b) {
      store_global(reinterpret_cast<uint32_t*>(p), pack(a, b));
    });
  }

  // Rows of an odd width, where pairs are not aligned.
  TAMIS_DEVICE void finish_singly() {
    const auto* const begin = static_cast<const uint8_t*>(p_.c.data);
    for_each_pair(begin, [&](const uint8_t* p, float first, float second) {
      const int64_t at = p - begin;
      store_single(at, first);
      if (at % p_.n + 1 < p_.n) store_single(at + 1, second);
    });
  }
  TAMIS_DEVICE void store_single(int64_t at, float y) const {
    if (p_.residual != nullptr) y = add_rn(y, load_global(p_.residual + at));
    store_value(p_.c, at, y);
  }

  const GemmEpilogue& p_;
  const int32_t* m_;
  int row_;
  int column_;
  float y_[kDown][kAcross][4];
};

}  // namespace tamis::cuda::device
