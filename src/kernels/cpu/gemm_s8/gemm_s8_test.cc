// Every row the CPU has: integers exact, floats against the reference and each other.
#include "kernels/cpu/gemm_s8/gemm_s8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmS8Kernel gemm_s8_##row;
#include "kernels/cpu/gemm_s8/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<GemmS8Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_s8_##row},
#include "kernels/cpu/gemm_s8/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

struct Problem {
  // full_range: activations 255 and weights -127 or 127, the greatest sums there are.
  Problem(int64_t rows, int64_t columns, int64_t depth, bool full_range = false)
      : m(rows),
        n(columns),
        k(depth),
        lda(quantized_row_bytes(k)),
        a(m * lda),
        w(n * k),
        scale(random_floats(m, 0.01f, 1)),
        low(random_floats(m, 1, 2)),
        weight_scale(random_floats(n, 0.01f, 3)),
        bias(random_floats(n, 1, 4)),
        residual(random_floats(m * n, 1, 5)),
        outlier_values(random_floats(m * kMaxOutliers, 3, 6)),
        outlier_weights(random_floats(3 * n, 1, 7)) {
    std::mt19937 generator(8);
    for (uint8_t& q : a.span()) q = full_range ? 255 : static_cast<uint8_t>(generator() % 256);
    for (int8_t& q : w.span()) {
      const auto level = static_cast<int>(generator() % 255) - 127;
      q = static_cast<int8_t>(full_range ? (level < -90 ? -127 : 127) : level);
    }
  }

  int64_t m, n, k, lda;
  Guarded<uint8_t> a;
  Guarded<int8_t> w;
  Guarded<float> scale, low, weight_scale, bias, residual, outlier_values, outlier_weights;
};

struct Variant {
  bool bias;
  bool residual;
  int64_t outliers;
  Activation activation;
};

constexpr Variant kVariants[] = {
    {false, false, 0, Activation::kNone}, {true, false, 0, Activation::kNone},
    {true, true, 0, Activation::kNone},   {true, false, 0, Activation::kGelu},
    {true, true, 3, Activation::kNone},   {true, true, 1, Activation::kGelu},
};

Guarded<uint8_t> packed_weights(const GemmS8Kernel& kernel, const Problem& problem) {
  Guarded<uint8_t> packed(static_cast<int64_t>(kernel.packed_bytes(problem.n, problem.k)));
  kernel.pack({problem.n, problem.k, problem.w.data(), problem.k, problem.weight_scale.data()}, 0,
              gemm_s8_panels(kernel, problem.n), packed.data());
  return packed;
}

GemmS8Args arguments(const Problem& problem, const Variant& variant, const void* packed, float* c) {
  GemmS8Args args;
  args.m = problem.m;
  args.n = args.ldr = args.ldc = problem.n;
  args.k = problem.k;
  args.a = problem.a.data();
  args.lda = problem.lda;
  args.scale = problem.scale.data();
  args.low = problem.low.data();
  args.packed = packed;
  args.bias = variant.bias ? problem.bias.data() : nullptr;
  args.outliers = variant.outliers;
  args.outlier_values = problem.outlier_values.data();
  args.outlier_weights = problem.outlier_weights.data();
  args.activation = variant.activation;
  args.residual = variant.residual ? problem.residual.data() : nullptr;
  args.c = c;
  return args;
}

Guarded<float> run(const GemmS8Kernel& kernel, const Problem& problem, const Variant& variant) {
  const Guarded<uint8_t> packed = packed_weights(kernel, problem);
  Guarded<float> c(problem.m * problem.n);
  kernel.run(arguments(problem, variant, packed.data(), c.data()), 0,
             gemm_s8_panels(kernel, problem.n));
  return c;
}

// Of gemm_s8.h's GELU, and the rounding of a result x.
double short_gelu_error(double x) { return 1e-4 + kEps * std::fabs(x); }

// Nine roundings (the sum to float, low * colsum, three FMAs, outliers, residual), each of eps
// times at most this, steepened by 1.13 by the activation: |scale acc|, |low colsum|, bias,
// outliers.
double tolerance(const Problem& problem, int64_t i, int64_t j) {
  double magnitude = 0;
  double colsum = 0;
  for (int64_t p = 0; p < problem.k; ++p) {
    magnitude += std::fabs(problem.a[i * problem.lda + p] * problem.w[j * problem.k + p]);
    colsum += problem.w[j * problem.k + p];
  }
  magnitude = magnitude * std::fabs(problem.scale[i]) + std::fabs(problem.low[i] * colsum);
  magnitude = magnitude * std::fabs(problem.weight_scale[j]) + 2 + 3 * 3;
  return 1.13 * 9 * kEps * magnitude;
}

void expect_rows_agree(const Problem& problem, const Variant& variant) {
  const Guarded<float> truth = run(gemm_s8_reference, problem, variant);
  const Guarded<float> first = run(*rows_here(kRows)[0].kernel, problem, variant);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " m=" << problem.m
                                      << " n=" << problem.n << " k=" << problem.k);
    const Guarded<float> c = run(*row.kernel, problem, variant);
    for (int64_t i = 0; i < problem.m; ++i) {
      for (int64_t j = 0; j < problem.n; ++j) {
        const double error = variant.activation == Activation::kNone ? 0 : short_gelu_error(100);
        ASSERT_NEAR(c[i * problem.n + j], truth[i * problem.n + j],
                    tolerance(problem, i, j) + error)
            << "row " << i << " column " << j;
      }
    }
    EXPECT_TRUE(row.isa == Isa::kReference || c.same_bits(first));
  }
}

// Scales of one and no shift leave the integer itself, which float holds exactly below 2^24.
void expect_exact_integers(Problem problem) {
  for (float& value : problem.scale.span()) value = 1;
  for (float& value : problem.low.span()) value = 0;
  for (float& value : problem.weight_scale.span()) value = 1;
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " m=" << problem.m
                                      << " n=" << problem.n << " k=" << problem.k);
    const Guarded<float> c = run(*row.kernel, problem, kVariants[0]);
    for (int64_t i = 0; i < problem.m; ++i) {
      for (int64_t j = 0; j < problem.n; ++j) {
        int32_t sum = 0;
        for (int64_t p = 0; p < problem.k; ++p) {
          sum += problem.a[i * problem.lda + p] * problem.w[j * problem.k + p];
        }
        ASSERT_LT(std::abs(sum), 1 << 24);
        ASSERT_EQ(c[i * problem.n + j], static_cast<float>(sum)) << i << " " << j;
      }
    }
  }
}

TEST(GemmS8, IntegersAreExactAtTileEdges) {
  for (const int64_t m : {0, 1, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 33}) {
    for (const int64_t n : {1, 15, 16, 17, 32, 33, 47, 48, 49, 97}) {
      for (const int64_t k : {0, 1, 2, 3, 4, 5, 8, 31, 64, 65}) {
        expect_exact_integers(Problem(m, n, k));
      }
    }
  }
}

// 255 * 127 * 512 = 16.6 million: nothing saturates on the way. 1030 takes the widening rows
// through three pieces of k.
TEST(GemmS8, GreatestSumsDoNotSaturate) {
  expect_exact_integers(Problem(13, 50, 512, true));
  expect_exact_integers(Problem(13, 50, 1030));
}

TEST(GemmS8, EveryEpilogue) {
  const Problem problem(13, 50, 40);
  for (const Variant& variant : kVariants) expect_rows_agree(problem, variant);
}

TEST(GemmS8, RoundedOutputsAreTheRoundedFloats) {
  const Problem problem(13, 113, 40);  // two panels and a tail
  for (const Variant& variant : kVariants) {
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      const Guarded<float> c = run(*row.kernel, problem, variant);
      const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
      const int64_t panels = gemm_s8_panels(*row.kernel, problem.n);
      GemmS8Args args = arguments(problem, variant, packed.data(), nullptr);
      Guarded<uint16_t> rounded(c.size());
      args.c_bf16 = rounded.data();
      row.kernel->run(args, 0, panels);
      for (int64_t i = 0; i < c.size(); ++i) ASSERT_EQ(rounded[i], float_to_bf16(c[i])) << i;
      args.c_bf16 = nullptr;
      args.c_f16 = rounded.data();
      row.kernel->run(args, 0, panels);
      for (int64_t i = 0; i < c.size(); ++i) ASSERT_EQ(rounded[i], float_to_f16(c[i])) << i;
    }
  }
}

// With weights of zero the result is the activation of the bias.
TEST(GemmS8, GeluStaysWithinItsBound) {
  std::vector<float> x;
  for (int i = -12 * 4096; i <= 12 * 4096; ++i) x.push_back(static_cast<float>(i) / 4096);
  x.insert(x.end(), {-1e30f, -1000, 1000, 1e-30f, 1e6f});
  const Problem problem(1, static_cast<int64_t>(x.size()), 1);
  for (const auto& row : rows_here(kRows)) {
    for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh}) {
      SCOPED_TRACE(::testing::Message() << row.kernel->name << activation_name(activation));
      const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
      Guarded<float> c(problem.n);
      GemmS8Args args = arguments(problem, {true, false, 0, activation}, packed.data(), c.data());
      const float none = 0;
      args.scale = args.low = &none;
      args.bias = x.data();
      row.kernel->run(args, 0, gemm_s8_panels(*row.kernel, problem.n));
      for (int64_t i = 0; i < problem.n; ++i) {
        const double truth = reference::activate(activation, double{x[static_cast<size_t>(i)]});
        ASSERT_NEAR(c[i], truth, short_gelu_error(x[static_cast<size_t>(i)])) << c[i];
      }
    }
  }
}

// What half precision does not hold.
TEST(GemmS8, HalfPrecisionSaturates) {
  const Problem problem(1, 3, 1);
  const float bias[] = {1e6f, -1e6f, 65519};
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
    Guarded<uint16_t> c(3);
    GemmS8Args args =
        arguments(problem, {true, false, 0, Activation::kNone}, packed.data(), nullptr);
    args.bias = bias;
    args.c_f16 = c.data();
    row.kernel->run(args, 0, gemm_s8_panels(*row.kernel, 3));
    EXPECT_EQ(c[0], 0x7bff);
    EXPECT_EQ(c[1], 0xfbff);
    EXPECT_EQ(c[2], 0x7bff);
  }
}

TEST(GemmS8, SeveralRowBlocks) { expect_rows_agree(Problem(150, 49, 2051), kVariants[2]); }

TEST(GemmS8, ARowDoesNotDependOnItsNeighborsNorOnThePanelRange) {
  const Problem problem(64, 200, 100);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> all = run(*row.kernel, problem, kVariants[5]);
    const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
    const int64_t panels = gemm_s8_panels(*row.kernel, problem.n);
    for (const int64_t i : {0, 17, 63}) {
      Guarded<float> c(problem.n);
      GemmS8Args args = arguments(problem, kVariants[5], packed.data(), c.data());
      args.m = 1;
      args.a += i * args.lda;
      args.scale += i;
      args.low += i;
      args.outlier_values += i * kMaxOutliers;
      args.residual += i * args.ldr;
      row.kernel->run(args, 1, panels);
      EXPECT_EQ(c[row.kernel->nr - 1], 0);
      row.kernel->run(args, 0, 1);
      EXPECT_TRUE(c.same_bits_as_part(all, i * problem.n)) << i;
    }
  }
}

TEST(GemmS8, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_gemm_s8(IsaSet()).name), "gemm_s8_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_gemm_s8(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
