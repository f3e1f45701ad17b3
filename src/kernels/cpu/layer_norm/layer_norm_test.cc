#include "kernels/cpu/layer_norm/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const LayerNormKernel layer_norm_##row;
#include "kernels/cpu/layer_norm/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<LayerNormKernel> kRows[] = {
#define X(row, level) {Isa::level, &layer_norm_##row},
#include "kernels/cpu/layer_norm/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

struct Problem {
  Problem(int64_t row_count, int64_t row_width)
      : rows(row_count),
        width(row_width),
        x(random_floats(rows * width, 3, 1)),
        residual(random_floats(rows * width, 3, 2)),
        gamma(random_floats(width, 2, 3)),
        beta(random_floats(width, 2, 4)) {}

  int64_t rows, width;
  Guarded<float> x, residual, gamma, beta;
};

enum class Kind { kPlain, kSkip, kSkipWithSum };

constexpr NormKind kNorms[] = {NormKind::kLayer, NormKind::kRms, NormKind::kL2};

/// Which of gamma and beta there are.
enum class Scaling { kNone, kGamma, kBoth };

struct Variant {
  Kind kind = Kind::kPlain;
  NormKind norm = NormKind::kLayer;
  Scaling scaling = Scaling::kBoth;
};

struct Result {
  explicit Result(const Problem& problem)
      : y(problem.rows * problem.width), sum(problem.rows * problem.width) {}
  Guarded<float> y, sum;
};

Result run(const LayerNormKernel& kernel, const Problem& problem, const Variant& variant) {
  const Kind kind = variant.kind;
  Result result(problem);
  LayerNormArgs args;
  args.kind = variant.norm;
  args.rows = problem.rows;
  args.width = args.ldx = args.ldr = args.ldy = args.lds = problem.width;
  args.x = problem.x.data();
  args.residual = kind == Kind::kPlain ? nullptr : problem.residual.data();
  args.gamma = variant.scaling == Scaling::kNone ? nullptr : problem.gamma.data();
  args.beta = variant.scaling == Scaling::kBoth ? problem.beta.data() : nullptr;
  args.eps = 1e-5f;
  args.y = result.y.data();
  args.sum = kind == Kind::kSkipWithSum ? result.sum.data() : nullptr;
  kernel.run(args);
  return result;
}

// Values are at most 6 in size. The mean of n values added in 16 lanes errs by (n / 16 + 5) eps *
// 6, the deviation relatively by as much over itself, and y follows by |gamma| <= 2 times both.
double tolerance(const Problem& problem, double deviation) {
  const double sums = kEps * (static_cast<double>(problem.width) / 16 + 5) * 6;
  return 2 * (sums / deviation * 4 + 8 * kEps * (6 / deviation)) + 4 * kEps;
}

double least_deviation(const Problem& problem, Kind kind) {
  double least = 1e30;
  for (int64_t i = 0; i < problem.rows; ++i) {
    double sum = 0;
    double squares = 0;
    for (int64_t j = 0; j < problem.width; ++j) {
      double value = problem.x[i * problem.width + j];
      if (kind != Kind::kPlain) value += problem.residual[i * problem.width + j];
      sum += value;
      squares += value * value;
    }
    const double mean = sum / static_cast<double>(problem.width);
    least = std::fmin(least,
                      std::sqrt(squares / static_cast<double>(problem.width) - mean * mean + 1e-5));
  }
  return least;
}

TEST(LayerNorm, EveryRowAtVectorEdges) {
  for (const int64_t width : {1, 2, 15, 16, 17, 31, 32, 33, 384, 768, 1000}) {
    for (const int64_t row_count : {0, 1, 5}) {
      for (const Kind kind : {Kind::kPlain, Kind::kSkip, Kind::kSkipWithSum}) {
        const Problem problem(row_count, width);
        const Variant variant = {.kind = kind};
        const double bound = tolerance(problem, least_deviation(problem, kind));
        const Result truth = run(layer_norm_reference, problem, variant);
        const Result first = run(*rows_here(kRows)[0].kernel, problem, variant);
        for (const auto& row : rows_here(kRows)) {
          SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width);
          const Result result = run(*row.kernel, problem, variant);
          for (int64_t i = 0; i < result.y.size(); ++i) {
            ASSERT_NEAR(result.y[i], truth.y[i], bound) << i;
          }
          EXPECT_TRUE(result.sum.same_bits(truth.sum));
          EXPECT_TRUE(row.isa == Isa::kReference || result.y.same_bits(first.y));
        }
      }
    }
  }
}

TEST(LayerNorm, InPlaceAndWithStrides) {
  const Problem problem(3, 50);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Result apart = run(*row.kernel, problem, Variant{.kind = Kind::kSkip});
    Guarded<float> x(3 * 60);
    for (int64_t i = 0; i < 3; ++i) {
      std::memcpy(&x[i * 60], &problem.x[i * 50], sizeof(float) * 50);
    }
    LayerNormArgs args;
    args.rows = 3;
    args.width = args.ldr = 50;
    args.x = x.data();
    args.y = x.data();
    args.ldx = args.ldy = 60;
    args.residual = problem.residual.data();
    args.gamma = problem.gamma.data();
    args.beta = problem.beta.data();
    args.eps = 1e-5f;
    row.kernel->run(args);
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(std::memcmp(&x[i * 60], &apart.y[i * 50], sizeof(float) * 50), 0) << i;
      EXPECT_EQ(x[i * 60 + 50], 0);
    }
  }
}

// Every kind with and without gamma and beta. The root errs by (n / 16 + 8) eps of itself, as sums
// of squares do not cancel; a mean taken away costs what tolerance() says.
TEST(LayerNorm, EveryKindAndScaling) {
  for (const int64_t width : {1, 16, 17, 40, 768}) {
    for (const NormKind norm : kNorms) {
      for (const Scaling scaling : {Scaling::kNone, Scaling::kGamma, Scaling::kBoth}) {
        const Problem problem(4, width);
        const Variant variant = {.norm = norm, .scaling = scaling};
        const bool centered = norm == NormKind::kLayer;
        const double sums = (static_cast<double>(width) / 16 + 8) * kEps;
        const double largest = std::sqrt(static_cast<double>(width));  // of a normal row
        const double bound = centered ? tolerance(problem, least_deviation(problem, Kind::kPlain))
                                      : 2 * sums * largest + 4 * kEps * (2 * largest + 2);
        const Result truth = run(layer_norm_reference, problem, variant);
        const Result first = run(*rows_here(kRows)[0].kernel, problem, variant);
        for (const auto& row : rows_here(kRows)) {
          SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width
                                            << " kind=" << static_cast<int>(norm));
          const Result result = run(*row.kernel, problem, variant);
          for (int64_t i = 0; i < result.y.size(); ++i) {
            ASSERT_NEAR(result.y[i], truth.y[i], bound) << i;
          }
          EXPECT_TRUE(row.isa == Isa::kReference || result.y.same_bits(first.y));
        }
      }
    }
  }
}

TEST(LayerNorm, KindsAreWhatTheyAreCalled) {
  const Problem problem(1, 3);
  const float* x = problem.x.data();
  const double squares = double{x[0]} * x[0] + double{x[1]} * x[1] + double{x[2]} * x[2];
  const Variant rms = {.norm = NormKind::kRms, .scaling = Scaling::kGamma};
  const Variant length = {.norm = NormKind::kL2, .scaling = Scaling::kNone};
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(run(*row.kernel, problem, rms).y[i],
                  x[i] / std::sqrt(squares / 3 + 1e-5) * problem.gamma[i], 16 * kEps);
      EXPECT_NEAR(run(*row.kernel, problem, length).y[i], x[i] / std::sqrt(squares), 8 * kEps);
    }
  }
}

// torch.nn.functional.normalize: what is shorter than eps is divided by eps.
TEST(LayerNorm, ALengthBelowEpsCountsAsEps) {
  Problem problem(1, 20);
  for (float& value : problem.x.span()) value = 0;
  problem.x[3] = 0x1p-20f;
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Variant length = {.norm = NormKind::kL2, .scaling = Scaling::kNone};
    const Result result = run(*row.kernel, problem, length);
    EXPECT_NEAR(result.y[3], 0x1p-20 / 1e-5, 4 * kEps);
    EXPECT_EQ(result.y[4], 0);
  }
}

TEST(LayerNorm, PartsAreRowsOfTheirOwn) {
  for (const int64_t part : {1, 4, 16, 20, 64}) {
    const Problem problem(6, part);  // two rows of three parts
    for (const NormKind norm : kNorms) {
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " part=" << part);
        const Result alone = run(*row.kernel, problem, Variant{.norm = norm});
        Guarded<float> y(6 * part);
        LayerNormArgs args;
        args.kind = norm;
        args.rows = 2;
        args.parts = 3;
        args.width = args.ldx = args.ldy = 3 * part;
        args.x = problem.x.data();
        args.gamma = problem.gamma.data();
        args.beta = problem.beta.data();
        args.eps = 1e-5f;
        args.y = y.data();
        row.kernel->run(args);
        EXPECT_TRUE(y.same_bits(alone.y));
      }
    }
  }
}

TEST(LayerNorm, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_layer_norm(IsaSet()).name), "layer_norm_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_layer_norm(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
