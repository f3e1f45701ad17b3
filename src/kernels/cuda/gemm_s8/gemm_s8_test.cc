// gemm_s8 on the emulator: the bits of the contract in kernels/cpu/gemm_s8.
#include "kernels/cuda/gemm_s8/gemm_s8-inl.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/testing/guarded.h"

namespace tamis::cuda {
namespace {

using kernels::testing::Guarded;
using kernels::testing::random_floats;

// Intervals of some smooth curve: the values are the caller's.
Guarded<float> table() {
  Guarded<float> fit(49);
  fit[0] = 3.875f;
  for (int i = 0; i < 16; ++i) {
    fit[1 + i] = 0.17f / (1 + static_cast<float>(i));
    fit[17 + i] = 0.1f - 0.01f * static_cast<float>(i);
    fit[33 + i] = -0.02f + 0.003f * static_cast<float>(i);
  }
  return fit;
}

/// Operands of one product; rows of 16 bytes, and pages behind the end that cannot be read.
struct Product {
  Product(int m, int n, int k, int outliers)
      : a(int64_t{m} * padded(k)),
        w(int64_t{n} * padded(k)),
        scale(random_floats(m, 0.01f, 1)),
        low(random_floats(m, 1, 2)),
        weight_scale(random_floats(n, 0.001f, 3)),
        colsum(n),
        bias(random_floats(n, 1, 4)),
        outlier_values(random_floats(int64_t{m} * 8, 1, 5)),
        outlier_weights(random_floats(int64_t{outliers} * n, 0.1f, 6)),
        residual(random_floats(int64_t{m} * n, 1, 7)),
        fit(table()),
        c(int64_t{m} * n) {
    std::mt19937 random(8);
    for (int64_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(random());
    for (int j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (int p = 0; p < k; ++p) {
        w[int64_t{j} * padded(k) + p] = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
        sum += w[int64_t{j} * padded(k) + p];
      }
      colsum[j] = static_cast<float>(sum);
    }
    params = {m,
              n,
              k,
              padded(k),
              padded(k),
              a.data(),
              w.data(),
              scale.data(),
              low.data(),
              weight_scale.data(),
              colsum.data(),
              bias.data(),
              outliers,
              outlier_values.data(),
              outlier_weights.data(),
              residual.data(),
              fit.data(),
              c.data(),
              nullptr};
  }
  static int padded(int k) { return (k + 15) / 16 * 16; }

  [[nodiscard]] float activated(float x, GemmActivation activation) const {
    if (activation == GemmActivation::kNone) return x;
    if (activation == GemmActivation::kRelu) return std::max(x, 0.0f);
    const float u = std::min(std::abs(x) * fit[0], 15.49f);
    const float interval = std::nearbyint(u);
    const auto i = static_cast<int64_t>(interval);
    const float t = u - interval;
    const float r = std::fma(std::fma(fit[33 + i], t, fit[17 + i]), t, fit[1 + i]);
    return std::max(0.0f, x) - r;
  }
  // One rounding a line, as the contract says.
  [[nodiscard]] float wanted(int i, int j, GemmActivation activation) const {
    int32_t acc = 0;
    for (int p = 0; p < params.k; ++p) {
      acc += int32_t{a[int64_t{i} * params.lda + p]} * w[int64_t{j} * params.ldw + p];
    }
    const float shift = low[i] * colsum[j];
    const float x = std::fma(static_cast<float>(acc), scale[i], shift);
    float y = std::fma(x, weight_scale[j], bias[j]);
    for (int r = 0; r < params.outliers; ++r) {
      y = std::fma(outlier_values[int64_t{i} * 8 + r], outlier_weights[int64_t{r} * params.n + j],
                   y);
    }
    y = activated(y, activation);
    return params.residual == nullptr ? y : y + residual[int64_t{i} * params.n + j];
  }

  Guarded<uint8_t> a;
  Guarded<int8_t> w;
  Guarded<float> scale, low, weight_scale, colsum, bias;
  Guarded<float> outlier_values, outlier_weights, residual, fit, c;
  GemmS8Params params;
};

template <GemmTile kTile, GemmActivation kActivation>
emulator::Counters check(Product& product, const emulator::Options& options) {
  using Gemm = device::GemmS8<kTile, kActivation>;
  const GemmS8Params& p = product.params;
  const emulator::Dim grid = {static_cast<unsigned>((p.n + kTile.columns - 1) / kTile.columns),
                              static_cast<unsigned>((p.m + kTile.rows - 1) / kTile.rows)};
  const emulator::Counters counters = emulator::launch(
      {grid, {static_cast<unsigned>(Gemm::kThreads)}, static_cast<size_t>(Gemm::kSharedBytes)},
      [&] { Gemm::run(p); }, options);
  int different = 0;
  for (int i = 0; i < p.m; ++i) {
    for (int j = 0; j < p.n; ++j) {
      const float got = p.c_b16 == nullptr ? product.c[int64_t{i} * p.n + j] : 0;
      if (device::bits_of(got) != device::bits_of(product.wanted(i, j, kActivation))) ++different;
    }
  }
  EXPECT_EQ(different, 0) << p.m << " x " << p.n << " x " << p.k;
  return counters;
}

TEST(GemmS8, HasTheCpusBits) {
  const struct {
    int m, n, k, outliers;
    bool residual;
  } kCases[] = {{1, 8, 16, 1, true},
                {37, 72, 312, 3, true},
                {129, 136, 200, 0, false},
                {64, 64, 64, 8, false},
                {3, 2, 7, 0, true}};
  for (const auto& test : kCases) {
    Product product(test.m, test.n, test.k, test.outliers);
    if (!test.residual) product.params.residual = nullptr;
    for (uint64_t seed = 1; seed < 3; ++seed) {
      emulator::Options options;
      options.seed = seed;
      options.architecture = seed == 2 ? 75 : 80;
      check<kLargeTile, GemmActivation::kShortGelu>(product, options);
      check<kMiddleTile, GemmActivation::kNone>(product, options);
    }
    check<kMiddleTile, GemmActivation::kRelu>(product, {});
  }
}

TEST(GemmS8, LaysItsStagesWithoutConflicts) {
  Product product(128, 128, 256, 0);
  product.params.residual = nullptr;
  for (const bool large : {true, false}) {
    const emulator::Counters counters =
        large ? check<kLargeTile, GemmActivation::kNone>(product, {})
              : check<kMiddleTile, GemmActivation::kNone>(product, {});
    EXPECT_EQ(counters.ldmatrix_cycles, counters.ldmatrix);
    EXPECT_GT(counters.mma, 0U);
  }
}

// Pages behind the operands cannot be read: what goes past their end faults.
TEST(GemmS8, ShortRowsBehindTheEndAreNotRead) {
  Product product(5, 6, 48, 0);
  product.params.residual = nullptr;
  check<kLargeTile, GemmActivation::kNone>(product, {});
}

}  // namespace
}  // namespace tamis::cuda
