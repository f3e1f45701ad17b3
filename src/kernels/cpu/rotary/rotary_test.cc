#include "kernels/cpu/rotary/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const RotaryKernel rotary_##row;
#include "kernels/cpu/rotary/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<RotaryKernel> kRows[] = {
#define X(row, level) {Isa::level, &rotary_##row},
#include "kernels/cpu/rotary/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

struct Shape {
  int64_t heads;
  int64_t head_size;
  int64_t pairs;
  int64_t rest;  // columns behind the heads
};
constexpr Shape kShapes[] = {
    {2, 64, 32, 64}, {3, 8, 4, 0}, {1, 2, 1, 1}, {2, 40, 10, 17}, {1, 256, 128, 0}, {2, 36, 17, 5},
};

struct Problem {
  Problem(const Shape& shape, bool interleaved)
      : width(shape.heads * shape.head_size + shape.rest),
        frequencies(random_floats(shape.pairs, 1, 2)),
        x(random_floats(kTokens * width, 3, 1)),
        f16(x.size()),
        cosine(kTokens * shape.pairs * (interleaved ? 2 : 1)),
        sine(cosine.size()) {
    args.rows = kTokens;
    args.heads = shape.heads;
    args.head_size = shape.head_size;
    args.pairs = shape.pairs;
    args.interleaved = interleaved;
    args.width = args.ldx = args.ldy = width;
    args.cosine = cosine.data();
    args.sine = sine.data();
    args.ld_angles = cosine.size() / kTokens;
    reference::rotary_table({kFirst, kTokens, shape.pairs, interleaved, frequencies.data(), 1.25f,
                             cosine.data(), sine.data()});
    for (int64_t i = 0; i < x.size(); ++i) f16[i] = float_to_f16(x[i]);
  }

  [[nodiscard]] RotaryArgs with_input(bool half) const {
    RotaryArgs call = args;
    call.x = half ? nullptr : x.data();
    call.x_f16 = half ? f16.data() : nullptr;
    return call;
  }
  [[nodiscard]] Guarded<float> run(const RotaryKernel& kernel, bool half) const {
    Guarded<float> y(x.size());
    RotaryArgs call = with_input(half);
    call.y = y.data();
    kernel.run(call);
    return y;
  }

  static constexpr int64_t kTokens = 5;
  static constexpr int64_t kFirst = 1000;
  int64_t width;
  Guarded<float> frequencies, x;
  Guarded<uint16_t> f16;
  Guarded<float> cosine, sine;
  RotaryArgs args;
};

// Calls body(problem) for every shape in both layouts.
template <typename Body>
void for_each_problem(const Body& body) {
  for (const Shape& shape : kShapes) {
    for (const bool interleaved : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "head_size=" << shape.head_size << " pairs="
                                        << shape.pairs << " interleaved=" << interleaved);
      body(Problem(shape, interleaved));
    }
  }
}

TEST(Rotary, EveryRowEqualsTheReference) {
  // |x| <= 3, cosines and sines at most 1.25: two products and a sum, each rounded.
  const double bound = 3 * kEps * 2 * 3 * 1.25;
  for_each_problem([&](const Problem& problem) {
    for (const bool half : {false, true}) {
      const Guarded<float> truth = problem.run(rotary_reference, half);
      const Guarded<float> first = problem.run(*rows_here(kRows)[0].kernel, half);
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(row.kernel->name);
        const Guarded<float> y = problem.run(*row.kernel, half);
        for (int64_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], truth[i], bound) << i;
        EXPECT_TRUE(row.isa == Isa::kReference || y.same_bits(first));
      }
    }
  });
}

TEST(Rotary, InBf16IsTheFloatRounded) {
  for_each_problem([](const Problem& problem) {
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      const Guarded<float> y = problem.run(*row.kernel, true);
      Guarded<uint16_t> rounded(y.size());
      RotaryArgs call = problem.with_input(true);
      call.y_bf16 = rounded.data();
      row.kernel->run(call);
      for (int64_t i = 0; i < y.size(); ++i) ASSERT_EQ(rounded[i], float_to_bf16(y[i])) << i;
    }
  });
}

TEST(Rotary, InPlace) {
  for_each_problem([](const Problem& problem) {
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      Guarded<float> x = problem.x;
      RotaryArgs call = problem.args;
      call.x = call.y = x.data();
      row.kernel->run(call);
      EXPECT_TRUE(x.same_bits(problem.run(*row.kernel, false)));
    }
  });
}

// A pair keeps its length times the table's factor, and turns by place * frequency.
TEST(Rotary, TurnsByTheAngle) {
  const Problem problem({1, 2, 1, 1}, false);
  const double angle = double{1003.0f * problem.frequencies[0]};
  const float* x = problem.x.data() + 3 * 3;
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> y = problem.run(*row.kernel, false);
    // The angle is rounded to float32 first, 2^-15 at 1,000.
    const double bound = 0x1p-15 * 3 * 2 * 1.25;
    EXPECT_NEAR(y[9], 1.25 * (x[0] * std::cos(angle) - x[1] * std::sin(angle)), bound);
    EXPECT_NEAR(y[10], 1.25 * (x[1] * std::cos(angle) + x[0] * std::sin(angle)), bound);
    EXPECT_EQ(y[11], x[2]);
  }
}

TEST(Rotary, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_rotary(IsaSet()).name), "rotary_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_rotary(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
