// Every row the CPU has against the reference, and against each other bit by bit.
#include "kernels/cpu/gemm_f32/gemm_f32.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmF32Kernel gemm_f32_##row;
#include "kernels/cpu/gemm_f32/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<GemmF32Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_f32_##row},
#include "kernels/cpu/gemm_f32/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

struct Problem {
  Problem(int64_t rows, int64_t columns, int64_t depth)
      : m(rows),
        n(columns),
        k(depth),
        a(random_floats(m * k, 1, 1)),
        w(random_floats(n * k, 1, 2)),
        bias(random_floats(n, 1, 3)),
        residual(random_floats(m * n, 1, 4)) {}

  int64_t m, n, k;
  Guarded<float> a, w, bias, residual;
};

struct Variant {
  bool bias;
  bool residual;
  Activation activation;
};

constexpr Variant kVariants[] = {
    {false, false, Activation::kNone}, {true, false, Activation::kNone},
    {true, true, Activation::kNone},   {true, false, Activation::kGelu},
    {true, true, Activation::kGelu},   {true, false, Activation::kTanh},
};

Guarded<float> packed_weights(const GemmF32Kernel& kernel, const Problem& problem) {
  Guarded<float> packed(static_cast<int64_t>(kernel.packed_bytes(problem.n, problem.k) / 4));
  const GemmF32Weights weights = {problem.n, problem.k, problem.w.data(), problem.k};
  kernel.pack(weights, 0, gemm_f32_panels(kernel, problem.n), packed.data());
  return packed;
}

GemmF32Args arguments(const Problem& problem, const Variant& variant, const float* packed,
                      float* c) {
  GemmF32Args args;
  args.m = problem.m;
  args.n = problem.n;
  args.k = problem.k;
  args.a = problem.a.data();
  args.lda = problem.k;
  args.packed = packed;
  args.bias = variant.bias ? problem.bias.data() : nullptr;
  args.activation = variant.activation;
  args.residual = variant.residual ? problem.residual.data() : nullptr;
  args.ldr = problem.n;
  args.c = c;
  args.ldc = problem.n;
  return args;
}

Guarded<float> run(const GemmF32Kernel& kernel, const Problem& problem, const Variant& variant) {
  const Guarded<float> packed = packed_weights(kernel, problem);
  Guarded<float> c(problem.m * problem.n);
  kernel.run(arguments(problem, variant, packed.data(), c.data()), 0,
             gemm_f32_panels(kernel, problem.n));
  return c;
}

Guarded<float> expected(const Problem& problem, const Variant& variant) {
  Guarded<float> y(problem.m * problem.n);
  reference::MatMulArgs args;
  args.m = problem.m;
  args.n = problem.n;
  args.k = problem.k;
  args.x = problem.a.data();
  args.ldx = args.ldw = problem.k;
  args.w = problem.w.data();
  args.bias = variant.bias ? problem.bias.data() : nullptr;
  args.activation = variant.activation;
  args.residual = variant.residual ? problem.residual.data() : nullptr;
  args.ldr = args.ldy = problem.n;
  args.y = y.data();
  reference::matmul(args);
  return y;
}

// A chain of k FMAs from zero errs by at most k eps sum|a||w|, each later addition by eps of its
// result, the activations used here by 4 eps |x|; none of them steepens an error by more than 1.13.
double tolerance(const Problem& problem, int64_t i, int64_t j) {
  double magnitude = 2;  // bias and residual
  for (int64_t p = 0; p < problem.k; ++p) {
    magnitude += std::fabs(problem.a[i * problem.k + p] * problem.w[j * problem.k + p]);
  }
  return 1.13 * kEps * static_cast<double>(problem.k + 8) * magnitude;
}

void expect_rows_agree(const Problem& problem, const Variant& variant) {
  const Guarded<float> truth = expected(problem, variant);
  const Guarded<float> first = run(*rows_here(kRows)[0].kernel, problem, variant);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message()
                 << row.kernel->name << " m=" << problem.m << " n=" << problem.n
                 << " k=" << problem.k << " activation=" << activation_name(variant.activation));
    const Guarded<float> c = run(*row.kernel, problem, variant);
    for (int64_t i = 0; i < problem.m; ++i) {
      for (int64_t j = 0; j < problem.n; ++j) {
        ASSERT_NEAR(c[i * problem.n + j], truth[i * problem.n + j], tolerance(problem, i, j))
            << "row " << i << " column " << j;
      }
    }
    if (row.isa != Isa::kReference) {
      EXPECT_TRUE(c.same_bits(first));
    }
  }
}

TEST(GemmF32, EveryRowAtTileEdges) {
  for (const int64_t m : {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25}) {
    for (const int64_t n : {1, 15, 16, 17, 31, 32, 33, 65}) {
      for (const int64_t k : {0, 1, 3, 4, 5, 16, 33}) {
        expect_rows_agree(Problem(m, n, k), kVariants[2]);
      }
    }
  }
}

TEST(GemmF32, EveryEpilogue) {
  const Problem problem(13, 50, 40);
  for (const Variant& variant : kVariants) expect_rows_agree(problem, variant);
}

// Several blocks of rows: 512 KB of A are 128 rows here.
TEST(GemmF32, SeveralRowBlocks) { expect_rows_agree(Problem(200, 33, 1024), kVariants[4]); }

TEST(GemmF32, ARowDoesNotDependOnItsNeighbors) {
  const Problem problem(64, 96, 200);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> all = run(*row.kernel, problem, kVariants[4]);
    const Guarded<float> packed = packed_weights(*row.kernel, problem);
    for (const int64_t i : {0, 17, 63}) {
      Guarded<float> c(problem.n);
      GemmF32Args args = arguments(problem, kVariants[4], packed.data(), c.data());
      args.m = 1;
      args.a += i * args.lda;
      args.residual += i * args.ldr;
      row.kernel->run(args, 0, gemm_f32_panels(*row.kernel, problem.n));
      EXPECT_EQ(std::memcmp(c.data(), all.data() + i * problem.n, sizeof(float) * 96), 0);
    }
  }
}

TEST(GemmF32, PanelRangesWriteTheirColumnsOnly) {
  const Problem problem(9, 150, 64);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> whole = run(*row.kernel, problem, kVariants[3]);
    const Guarded<float> packed = packed_weights(*row.kernel, problem);
    Guarded<float> c(problem.m * problem.n);
    const GemmF32Args args = arguments(problem, kVariants[3], packed.data(), c.data());
    const int64_t panels = gemm_f32_panels(*row.kernel, problem.n);
    row.kernel->run(args, 1, 3);
    EXPECT_EQ(c[row.kernel->nr - 1], 0);
    EXPECT_EQ(c[3 * row.kernel->nr], 0);
    row.kernel->run(args, 0, 1);
    row.kernel->run(args, 3, panels);
    row.kernel->run(args, 2, 2);
    EXPECT_TRUE(c.same_bits(whole));
  }
}

TEST(GemmF32, StridesAndResidualInPlace) {
  const Problem problem(14, 40, 24);
  const Guarded<float> whole = run(*rows_here(kRows)[0].kernel, problem, kVariants[2]);
  for (const auto& row : rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;
    const Guarded<float> packed = packed_weights(*row.kernel, problem);
    Guarded<float> a(problem.m * 30);
    Guarded<float> c(problem.m * 47);
    for (int64_t i = 0; i < problem.m; ++i) {
      std::memcpy(&a[i * 30], &problem.a[i * problem.k], sizeof(float) * 24);
      std::memcpy(&c[i * 47], &problem.residual[i * problem.n], sizeof(float) * 40);
    }
    GemmF32Args args = arguments(problem, kVariants[2], packed.data(), c.data());
    args.a = a.data();
    args.lda = 30;
    args.residual = c.data();
    args.ldr = args.ldc = 47;
    row.kernel->run(args, 0, gemm_f32_panels(*row.kernel, problem.n));
    for (int64_t i = 0; i < problem.m; ++i) {
      EXPECT_EQ(std::memcmp(&c[i * 47], &whole[i * problem.n], sizeof(float) * 40), 0) << i;
      EXPECT_EQ(c[i * 47 + 40], 0) << "wrote behind the row";
    }
  }
}

TEST(GemmF32, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_gemm_f32(IsaSet()).name), "gemm_f32_reference");
  for (const auto& row : rows_here(kRows)) {
    const IsaSet set = isas_up_to(isa_name(row.isa));
    EXPECT_EQ(&select_gemm_f32(set), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
