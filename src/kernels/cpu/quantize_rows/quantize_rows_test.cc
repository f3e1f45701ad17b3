// Every row the CPU has, bit for bit against the reference.
#include "kernels/cpu/quantize_rows/quantize_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/cpu/embedding/embedding.h"
#include "kernels/cpu/layer_norm/layer_norm.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const QuantizeRowsKernel quantize_rows_##row;
#include "kernels/cpu/quantize_rows/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<QuantizeRowsKernel> kRows[] = {
#define X(row, level) {Isa::level, &quantize_rows_##row},
#include "kernels/cpu/quantize_rows/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

struct Problem {
  Problem(int64_t row_count, int64_t row_width)
      : rows(row_count),
        width(row_width),
        ldq((width + 3) / 4 * 4),
        x(random_floats(rows * width, 3, 1)),
        multiply(random_floats(width, 2, 2)),
        offset(random_floats(width, 1, 3)),
        gamma(random_floats(width, 1, 4)),
        beta(random_floats(width, 1, 5)) {}

  int64_t rows, width, ldq;
  Guarded<float> x, multiply, offset, gamma, beta;
};

constexpr int32_t kOutlierColumns[] = {0, 3};

struct Result {
  explicit Result(const Problem& problem)
      : q(problem.rows * problem.ldq),
        scale(problem.rows),
        low(problem.rows),
        outliers(problem.rows * 8),
        norm(problem.rows * problem.width) {}
  [[nodiscard]] bool same_levels(const Result& other) const {
    return q.same_bits(other.q) && scale.same_bits(other.scale) && low.same_bits(other.low) &&
           outliers.same_bits(other.outliers);
  }
  [[nodiscard]] bool same_bits(const Result& other) const {
    return same_levels(other) && norm.same_bits(other.norm);
  }
  Guarded<uint8_t> q;
  Guarded<float> scale, low, outliers, norm;
};

QuantizeRowsArgs arguments(const Problem& problem, bool scaled, int64_t outliers, Result& result) {
  QuantizeRowsArgs args;
  args.rows = problem.rows;
  args.width = args.ldx = problem.width;
  args.x = problem.x.data();
  args.multiply = scaled ? problem.multiply.data() : nullptr;
  args.offset = scaled ? problem.offset.data() : nullptr;
  args.q = result.q.data();
  args.ldq = problem.ldq;
  args.scale = result.scale.data();
  args.low = result.low.data();
  args.outliers = outliers;
  args.outlier_columns = kOutlierColumns;
  args.outlier_values = result.outliers.data();
  return args;
}

// Inputs in 16 bits are their floats.
TEST(QuantizeRows, HalvesAreTheirFloats) {
  for (const int64_t width : {1, 17, 64, 67, 150}) {
    for (const bool scaled : {false, true}) {
      Problem problem(3, width);
      Guarded<uint16_t> f16(problem.x.size());
      Guarded<uint16_t> bf16(problem.x.size());
      Problem of_bf16 = problem;
      for (int64_t i = 0; i < problem.x.size(); ++i) {
        f16[i] = float_to_f16(problem.x[i]);
        problem.x[i] = f16_to_float(f16[i]);
        bf16[i] = float_to_bf16(of_bf16.x[i]);
        of_bf16.x[i] = bf16_to_float(bf16[i]);
      }
      const int64_t outliers = width > 3 ? 2 : 0;
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width);
        for (const bool half : {true, false}) {
          Result truth(problem);
          row.kernel->run(arguments(half ? problem : of_bf16, scaled, outliers, truth));
          Result result(problem);
          QuantizeRowsArgs args = arguments(problem, scaled, outliers, result);
          args.x = nullptr;
          (half ? args.x_f16 : args.x_bf16) = half ? f16.data() : bf16.data();
          row.kernel->run(args);
          EXPECT_TRUE(result.same_bits(truth));
        }
      }
    }
  }
}

TEST(QuantizeRows, EveryRowEqualsTheReference) {
  for (const int64_t width : {1, 2, 3, 4, 5, 15, 16, 17, 20, 33, 64, 80, 100, 384, 4096, 4097}) {
    for (const int64_t row_count : {0, 1, 9}) {
      for (const bool scaled : {false, true}) {
        const Problem problem(row_count, width);
        const int64_t outliers = width > 3 ? 2 : 0;
        Result truth(problem);
        reference::quantize_rows(arguments(problem, scaled, outliers, truth));
        for (const auto& row : rows_here(kRows)) {
          SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width);
          Result result(problem);
          std::memset(result.q.data(), 0xaa, static_cast<size_t>(result.q.size()));
          row.kernel->run(arguments(problem, scaled, outliers, result));
          EXPECT_TRUE(result.same_bits(truth));
        }
      }
    }
  }
}

// |y - (low + scale q)| <= scale / 2, and the rounding of y, low and their difference.
TEST(QuantizeRows, LevelsStandForTheirValues) {
  const Problem problem(9, 100);
  Result result(problem);
  select_quantize_rows(detected_isas()).run(arguments(problem, false, 0, result));
  for (int64_t i = 0; i < problem.rows; ++i) {
    for (int64_t j = 0; j < problem.width; ++j) {
      const double back = result.low[i] + double{result.scale[i]} * result.q[i * problem.ldq + j];
      EXPECT_NEAR(problem.x[i * problem.width + j], back, result.scale[i] * 0.5 + 8 * kEps * 3);
    }
  }
}

TEST(QuantizeRows, AFlatRowIsItsLow) {
  Problem problem(1, 20);
  for (float& value : problem.x.span()) value = -2.5f;
  for (const auto& row : rows_here(kRows)) {
    Result result(problem);
    row.kernel->run(arguments(problem, false, 0, result));
    EXPECT_EQ(result.low[0], -2.5f);
    EXPECT_EQ(result.scale[0], 0);
    EXPECT_EQ(result.q[19], 0);
  }
}

// Integers have no NaN: where one among numbers were dropped, a model would answer with a number.
TEST(QuantizeRows, AValueThatIsNotFiniteMarksItsRowAlone) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const int64_t width : {1, 5, 16, 20, 64, 100, 150, 4096, 4097}) {
    for (const float value : {infinity * 0.0f, std::nanf(""), infinity, -infinity}) {
      for (const int64_t at : {int64_t{0}, width / 2, width - 1}) {
        for (const bool scaled : {false, true}) {
          Problem problem(3, width);
          problem.x[width + at] = value;
          for (const auto& row : rows_here(kRows)) {
            SCOPED_TRACE(::testing::Message()
                         << row.kernel->name << " width=" << width << " at " << at);
            Result result(problem);
            row.kernel->run(arguments(problem, scaled, 0, result));
            for (int64_t i = 0; i < 3; ++i) {
              EXPECT_EQ(std::isnan(result.scale[i]), i == 1);
              EXPECT_EQ(std::isnan(result.low[i]), i == 1);
            }
          }
        }
      }
    }
  }
}

TEST(QuantizeRows, ALeastValueOfZeroHasNoSign) {
  for (const float zero : {0.0f, -0.0f}) {
    Problem problem(1, 20);
    for (float& value : problem.x.span()) value = 1;
    problem.x[17] = zero;
    Result truth(problem);
    reference::quantize_rows(arguments(problem, false, 0, truth));
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      Result result(problem);
      row.kernel->run(arguments(problem, false, 0, result));
      EXPECT_TRUE(result.same_bits(truth));
    }
  }
}

// Calls body(problem, row, scaled, outliers) for all rows at widths around their vectors.
template <typename Body>
void for_each_producer_case(const Body& body) {
  for (const int64_t width : {1, 4, 15, 16, 17, 50, 64, 67}) {
    const Problem problem(7, width);
    for (const bool scaled : {false, true}) {
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width);
        body(problem, row, scaled, width > 3 ? 2 : 0);
      }
    }
  }
}

QuantizeRowsArgs of_norm(QuantizeRowsArgs args, const Result& result) {
  args.x = result.norm.data();
  return args;
}

TEST(QuantizeRows, BehindALayerNormEqualsTheTwoApart) {
  for_each_producer_case(
      [](const Problem& problem, const auto& row, bool scaled, int64_t outliers) {
        Result together(problem);
        Result apart(problem);
        LayerNormArgs norm;
        norm.rows = problem.rows;
        norm.width = norm.ldx = norm.ldy = problem.width;
        norm.x = problem.x.data();
        norm.gamma = problem.gamma.data();
        norm.beta = problem.beta.data();
        norm.eps = 1e-5f;
        norm.y = together.norm.data();
        QuantizeRowsArgs args = arguments(problem, scaled, outliers, together);
        args.x = nullptr;
        row.kernel->run_layer_norm(norm, args);
        norm.y = apart.norm.data();
        select_layer_norm(isas_up_to(isa_name(row.isa))).run(norm);
        row.kernel->run(of_norm(arguments(problem, scaled, outliers, apart), apart));
        EXPECT_TRUE(together.same_bits(apart));
      });
}

TEST(QuantizeRows, BehindAnEmbeddingEqualsTheTwoApart) {
  constexpr int32_t kIds[] = {6, 0, 3, 3, 1, 5, 2};
  for_each_producer_case(
      [&](const Problem& problem, const auto& row, bool scaled, int64_t outliers) {
        Result together(problem);
        Result apart(problem);
        EmbeddingArgs embedding;
        embedding.tokens = problem.rows;
        embedding.width = embedding.ldy = problem.width;
        embedding.tables[0] = {problem.x.data(), kIds};
        embedding.tables[2] = {problem.offset.data(), nullptr};
        embedding.gamma = problem.gamma.data();
        embedding.beta = problem.beta.data();
        embedding.eps = 1e-12f;
        embedding.y = together.norm.data();
        QuantizeRowsArgs args = arguments(problem, scaled, outliers, together);
        args.x = nullptr;
        row.kernel->run_embedding(embedding, args);
        embedding.y = apart.norm.data();
        select_embedding(isas_up_to(isa_name(row.isa))).run(embedding);
        row.kernel->run(of_norm(arguments(problem, scaled, outliers, apart), apart));
        EXPECT_TRUE(together.same_bits(apart));
      });
}

// Of an activation that has one form only.
TEST(QuantizeRows, BehindAGatedUnitEqualsTheTwoApart) {
  for_each_producer_case(
      [](const Problem& problem, const auto& row, bool scaled, int64_t outliers) {
        const int64_t width = problem.width;
        const Guarded<float> x = random_floats(problem.rows * 2 * width, 3, 9);
        Result together(problem);
        Result apart(problem);
        GluArgs glu;
        glu.activation = Activation::kSilu;
        glu.rows = problem.rows;
        glu.width = glu.ldy = width;
        glu.x = x.data();
        glu.ldx = 2 * width;
        glu.up_column = width;
        row.kernel->run_glu(glu, arguments(problem, scaled, outliers, together));
        glu.y = apart.norm.data();
        select_elementwise(isas_up_to(isa_name(row.isa))).glu(glu);
        row.kernel->run(of_norm(arguments(problem, scaled, outliers, apart), apart));
        EXPECT_TRUE(together.same_levels(apart));
      });
}

TEST(QuantizeRows, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_quantize_rows(IsaSet()).name), "quantize_rows_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_quantize_rows(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
