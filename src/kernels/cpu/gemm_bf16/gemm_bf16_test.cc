// Every row the CPU has against the reference, and against each other bit by bit.
#include "kernels/cpu/gemm_bf16/gemm_bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "base/bf16.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmBf16Kernel gemm_bf16_##row;
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<GemmBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_bf16_##row},
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

// Rows of one kind give the same bits (gemm_bf16.h).
enum class Kind { kWidened, kPairs, kTiles };
Kind kind_of(Isa isa) {
  if (isa == Isa::kAmx) return Kind::kTiles;
  return isa == Isa::kAvx512Bf16 ? Kind::kPairs : Kind::kWidened;
}

struct Problem {
  Problem(int64_t rows, int64_t columns, int64_t depth)
      : m(rows),
        n(columns),
        k(depth),
        lda((k + 1) / 2 * 2),
        a(m * lda),
        w(random_floats(n * k, 1, 1)),
        bias(random_floats(n, 1, 2)),
        residual(random_floats(m * n, 1, 3)) {
    const Guarded<float> values = random_floats(m * lda, 1, 4);
    for (int64_t i = 0; i < a.size(); ++i) a[i] = float_to_bf16(values[i]);
  }

  int64_t m, n, k, lda;
  Guarded<uint16_t> a;
  Guarded<float> w, bias, residual;
};

struct Variant {
  bool bias;
  bool residual;
  Activation activation;
};

constexpr Variant kVariants[] = {
    {false, false, Activation::kNone}, {true, false, Activation::kNone},
    {true, true, Activation::kNone},   {true, false, Activation::kGelu},
    {true, true, Activation::kGelu},
};

Guarded<uint8_t> packed_weights(const GemmBf16Kernel& kernel, const Problem& problem) {
  Guarded<uint8_t> packed(static_cast<int64_t>(kernel.packed_bytes(problem.n, problem.k)));
  kernel.pack({problem.n, problem.k, problem.w.data(), problem.k}, 0,
              gemm_bf16_panels(kernel, problem.n), packed.data());
  return packed;
}

GemmBf16Args arguments(const Problem& problem, const Variant& variant, const void* packed,
                       float* c) {
  GemmBf16Args args;
  args.m = problem.m;
  args.n = args.ldr = args.ldc = problem.n;
  args.k = problem.k;
  args.a = problem.a.data();
  args.lda = problem.lda;
  args.packed = packed;
  args.bias = variant.bias ? problem.bias.data() : nullptr;
  args.activation = variant.activation;
  args.residual = variant.residual ? problem.residual.data() : nullptr;
  args.c = c;
  return args;
}

Guarded<float> run(const GemmBf16Kernel& kernel, const Problem& problem, const Variant& variant) {
  const Guarded<uint8_t> packed = packed_weights(kernel, problem);
  Guarded<float> c(problem.m * problem.n);
  kernel.run(arguments(problem, variant, packed.data(), c.data()), 0,
             gemm_bf16_panels(kernel, problem.n));
  return c;
}

// As in gemm_f32_test.cc; vdpbf16ps rounds as often as the chain of FMAs. |w| < 1 still after
// rounding.
double tolerance(const Problem& problem, int64_t i, int64_t j) {
  double magnitude = 2;
  for (int64_t p = 0; p < problem.k; ++p) {
    magnitude += std::fabs(bf16_to_float(problem.a[i * problem.lda + p])) *
                 std::fabs(bf16_to_float(float_to_bf16(problem.w[j * problem.k + p])));
  }
  return 1.13 * kEps * static_cast<double>(problem.k + 8) * magnitude;
}

void expect_rows_agree(const Problem& problem, const Variant& variant) {
  const Guarded<float> truth = run(gemm_bf16_reference, problem, variant);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " m=" << problem.m
                                      << " n=" << problem.n << " k=" << problem.k);
    const Guarded<float> c = run(*row.kernel, problem, variant);
    for (int64_t i = 0; i < problem.m; ++i) {
      for (int64_t j = 0; j < problem.n; ++j) {
        // gemm_bf16.h's GELU.
        const double error = variant.activation == Activation::kNone ? 0 : 1e-4;
        ASSERT_NEAR(c[i * problem.n + j], truth[i * problem.n + j],
                    tolerance(problem, i, j) + error)
            << "row " << i << " column " << j;
      }
    }
    for (const auto& other : rows_here(kRows)) {
      if (row.isa == Isa::kReference || other.isa == Isa::kReference) continue;
      if (kind_of(row.isa) != kind_of(other.isa)) continue;
      EXPECT_TRUE(c.same_bits(run(*other.kernel, problem, variant))) << other.kernel->name;
    }
  }
}

TEST(GemmBf16, EveryRowAtTileEdges) {
  for (const int64_t m : {0, 1, 5, 6, 7, 8, 9, 12, 13, 17, 33}) {
    for (const int64_t n : {1, 15, 16, 17, 32, 33, 48, 49}) {
      for (const int64_t k : {0, 1, 2, 3, 8, 31, 32, 33}) {
        expect_rows_agree(Problem(m, n, k), kVariants[2]);
      }
    }
  }
}

TEST(GemmBf16, EveryEpilogue) {
  const Problem problem(13, 50, 40);
  for (const Variant& variant : kVariants) expect_rows_agree(problem, variant);
}

// Blocks of rows, and pieces of k where rows are widened.
TEST(GemmBf16, SeveralRowBlocks) { expect_rows_agree(Problem(100, 49, 2051), kVariants[2]); }

TEST(GemmBf16, RoundedOutputIsTheRoundedFloat) {
  const Problem problem(13, 50, 40);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> c = run(*row.kernel, problem, kVariants[4]);
    const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
    Guarded<uint16_t> rounded(13 * 50);
    GemmBf16Args args = arguments(problem, kVariants[4], packed.data(), nullptr);
    args.c_bf16 = rounded.data();
    row.kernel->run(args, 0, gemm_bf16_panels(*row.kernel, problem.n));
    for (int64_t i = 0; i < c.size(); ++i) ASSERT_EQ(rounded[i], float_to_bf16(c[i])) << i;
  }
}

TEST(GemmBf16, ARowDoesNotDependOnItsNeighborsNorOnThePanelRange) {
  const Problem problem(64, 200, 100);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> all = run(*row.kernel, problem, kVariants[4]);
    const Guarded<uint8_t> packed = packed_weights(*row.kernel, problem);
    for (const int64_t i : {0, 17, 63}) {
      Guarded<float> c(problem.n);
      GemmBf16Args args = arguments(problem, kVariants[4], packed.data(), c.data());
      args.m = 1;
      args.a += i * args.lda;
      args.residual += i * args.ldr;
      row.kernel->run(args, 1, gemm_bf16_panels(*row.kernel, problem.n));
      EXPECT_EQ(c[row.kernel->nr - 1], 0);
      row.kernel->run(args, 0, 1);
      EXPECT_TRUE(c.same_bits_as_part(all, i * problem.n)) << i;
    }
  }
}

TEST(GemmBf16, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_gemm_bf16(IsaSet()).name), "gemm_bf16_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_gemm_bf16(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
