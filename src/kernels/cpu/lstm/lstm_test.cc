#include "kernels/cpu/lstm/lstm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const LstmKernel lstm_##row;
#include "kernels/cpu/lstm/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<LstmKernel> kRows[] = {
#define X(row, level) {Isa::level, &lstm_##row},
#include "kernels/cpu/lstm/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;
constexpr int64_t kSizes[] = {1, 15, 16, 17, 48, 64, 130};

// The cell and the result of a word.
struct Answer {
  Guarded<float> cell;
  Guarded<float> y;
};

struct Problem {
  explicit Problem(int64_t size)
      : n(size),
        x(random_floats(4 * size, 6, 1)),
        recurrent(random_floats(4 * size, 6, 2)),
        cell(random_floats(size, 3, 3)) {}

  // `first`: of a sequence's first word, whose memory holds what must not be read.
  [[nodiscard]] Answer run(const LstmKernel& kernel, bool first) const {
    Answer answer{cell, Guarded<float>(n)};
    if (first) {
      for (float& value : answer.cell.span()) value = std::numeric_limits<float>::quiet_NaN();
    }
    LstmCellArgs args;
    args.n = n;
    args.x = x.data();
    args.recurrent = first ? nullptr : recurrent.data();
    args.cell = answer.cell.data();
    args.y = answer.y.data();
    kernel.cell(args);
    return answer;
  }

  int64_t n;
  Guarded<float> x, recurrent, cell;
};

TEST(Lstm, EveryRowEqualsTheReference) {
  for (const int64_t n : kSizes) {
    const Problem problem(n);
    for (const bool first : {true, false}) {
      const Answer truth = problem.run(lstm_reference, first);
      const Answer vector = problem.run(*rows_here(kRows)[0].kernel, first);
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " n=" << n << " first=" << first);
        const Answer answer = problem.run(*row.kernel, first);
        // |cell before| <= 3; a gate's rounded sum of 12 moves a sigmoid by at most 12 eps / 4.
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_NEAR(answer.cell[i], truth.cell[i], 32 * kEps * 4) << i;
          ASSERT_NEAR(answer.y[i], truth.y[i], 32 * kEps * 4) << i;
        }
        const bool same = answer.cell.same_bits(vector.cell) && answer.y.same_bits(vector.y);
        EXPECT_TRUE(row.isa == Isa::kReference || same);
      }
    }
  }
}

// torch.nn.LSTM's own order of the gates: each alone moves what it should.
TEST(Lstm, GatesAreInputForgetCellOutput) {
  constexpr float kOpen = 50;  // a sigmoid of 1, a hyperbolic tangent of 1
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const auto result = [&row](std::vector<float> gates) {
      const std::vector<float> none(4, 0.0f);
      float cell = 2;
      float y = 0;
      row.kernel->cell({1, gates.data(), none.data(), &cell, &y});
      return std::pair(cell, y);
    };
    EXPECT_NEAR(result({-kOpen, kOpen, kOpen, kOpen}).first, 2, 1e-6);   // kept
    EXPECT_NEAR(result({-kOpen, -kOpen, kOpen, kOpen}).first, 0, 1e-6);  // forgotten
    EXPECT_NEAR(result({kOpen, -kOpen, kOpen, kOpen}).first, 1, 1e-6);   // written
    EXPECT_NEAR(result({kOpen, -kOpen, -kOpen, kOpen}).first, -1, 1e-6);
    EXPECT_NEAR(result({-kOpen, kOpen, kOpen, -kOpen}).second, 0, 1e-6);  // shut
    EXPECT_NEAR(result({-kOpen, kOpen, kOpen, kOpen}).second, std::tanh(2.0), 1e-6);
  }
}

TEST(Lstm, NanStaysNan) {
  for (const auto& row : rows_here(kRows)) {
    for (size_t gate = 0; gate < 4; ++gate) {
      std::vector<float> gates(4, 0.5f);
      gates[gate] = std::numeric_limits<float>::quiet_NaN();
      const std::vector<float> none(4, 0.0f);
      float cell = 1;
      float y = 0;
      row.kernel->cell({1, gates.data(), none.data(), &cell, &y});
      EXPECT_TRUE(std::isnan(y)) << row.kernel->name << " gate " << gate;
    }
  }
}

}  // namespace
}  // namespace tamis::kernels
