#include "kernels/cpu/score_spans/score_spans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const ScoreSpansKernel score_spans_##row;
#include "kernels/cpu/score_spans/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<ScoreSpansKernel> kRows[] = {
#define X(row, level) {Isa::level, &score_spans_##row},
#include "kernels/cpu/score_spans/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;
constexpr int64_t kSizes[] = {1, 15, 16, 17, 48, 64, 130};

constexpr int64_t kRowsOfAll = 9;

struct Problem {
  explicit Problem(int64_t size)
      : n(size),
        start(random_floats(size, 1, 1)),
        ends(random_floats(kRowsOfAll * size, 1, 2)),
        labels(random_floats(kRowsOfAll * (size + 1), 1, 3)) {}

  // The spans to words 3, 5 and 8, under `count` labels.
  [[nodiscard]] Guarded<float> run(const ScoreSpansKernel& kernel, int64_t count) const {
    Guarded<float> y(3 * kStride);
    for (float& value : y.span()) value = 77;
    ScoreSpansArgs args;
    args.n = n;
    args.start = start.data();
    args.ends = ends.data();
    args.words = kWords;
    args.spans = 3;
    args.labels = labels.data();
    args.label_rows = kLabels;
    args.label_count = count;
    args.y = y.data();
    args.ldy = kStride;
    kernel.run(args);
    return y;
  }

  static constexpr int64_t kStride = 11;
  static constexpr int32_t kWords[] = {3, 5, 8};
  static constexpr int32_t kLabels[] = {0, 1, 2, 4, 6, 7, 8, 3, 5};
  int64_t n;
  Guarded<float> start, ends, labels;
};

TEST(ScoreSpans, EveryRowEqualsTheReference) {
  for (const int64_t n : kSizes) {
    const Problem problem(n);
    for (const int64_t count : {0, 1, 3, 4, 5, 8, 9}) {
      const Guarded<float> truth = problem.run(score_spans_reference, count);
      const Guarded<float> first = problem.run(*rows_here(kRows)[0].kernel, count);
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " n=" << n << " labels=" << count);
        const Guarded<float> y = problem.run(*row.kernel, count);
        // n products of at most 2 times 1, and a number of at most 1.
        const double bound = static_cast<double>(n + 8) * kEps * (2 * static_cast<double>(n) + 1);
        for (int64_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], truth[i], bound) << i;
        for (int64_t i = 0; i < y.size(); ++i) {
          if (i % Problem::kStride < count) continue;
          EXPECT_EQ(y[i], 77) << i;
        }
        EXPECT_TRUE(row.isa == Isa::kReference || y.same_bits(first));
      }
    }
  }
}

// A label's score has the same bits whatever labels stand beside it.
TEST(ScoreSpans, LabelsDoNotTouchEachOther) {
  const Problem problem(130);
  for (const auto& row : rows_here(kRows)) {
    const Guarded<float> all = problem.run(*row.kernel, 9);
    for (int64_t count = 1; count < 9; ++count) {
      const Guarded<float> some = problem.run(*row.kernel, count);
      for (int64_t span = 0; span < 3; ++span) {
        for (int64_t l = 0; l < count; ++l) {
          const int64_t at = span * Problem::kStride + l;
          EXPECT_EQ(some[at], all[at]) << row.kernel->name << " of " << count;
        }
      }
    }
  }
}

TEST(ScoreSpans, NanStaysNan) {
  for (const auto& row : rows_here(kRows)) {
    const float start = std::numeric_limits<float>::quiet_NaN();
    const float end = 1;
    const float label[] = {1, 0};
    const int32_t none = 0;
    float y = 0;
    row.kernel->run({1, &start, &end, &none, 1, label, &none, 1, &y, 1});
    EXPECT_TRUE(std::isnan(y)) << row.kernel->name;
  }
}

}  // namespace
}  // namespace tamis::kernels
