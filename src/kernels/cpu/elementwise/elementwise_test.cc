#include "kernels/cpu/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const ElementwiseKernel elementwise_##row;
#include "kernels/cpu/elementwise/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<ElementwiseKernel> kRows[] = {
#define X(row, level) {Isa::level, &elementwise_##row},
#include "kernels/cpu/elementwise/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

// |error| <= eps (of_input |x| + of_result |y| + of_one) + 2^-100 (where exp() clamps).
struct Bound {
  Activation activation;
  double of_input;
  double of_result;
  double of_one = 0;
};

constexpr Bound kBounds[] = {
    {Activation::kNone, 0, 0},         {Activation::kGelu, 4, 0},
    {Activation::kGeluTanh, 4, 0},     {Activation::kQuickGelu, 4, 0},
    {Activation::kRelu, 0, 0},         {Activation::kRelu2, 0, 1},
    {Activation::kSilu, 4, 0},         {Activation::kMish, 0, 8},
    {Activation::kTanh, 0, 5},         {Activation::kSigmoid, 0, 5},
    {Activation::kRelu6, 0, 0},        {Activation::kLeakyRelu, 0, 2},
    {Activation::kGelu10, 4, 0},       {Activation::kLaplace, 0, 0, 5},
    {Activation::kHardSwish, 3, 3, 0}, {Activation::kSqrtSoftplus, 0, 6, 0x1p-38},
};

TEST(Elementwise, EveryNamedActivationHasABound) {
  const std::string names = known_activations();
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.find(", ", begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    const auto activation = activation_from_name(name);
    EXPECT_TRUE(std::ranges::any_of(kBounds, [&](const Bound& bound) {
      return bound.activation == activation;
    })) << name;
    begin = end + 2;
  }
}

// Every 4096th float of either sign from 2^-60 to 2^7, and zeros: 550,000 values.
std::vector<float> probes() {
  std::vector<float> values = {0.0f, -0.0f};
  for (uint32_t bits = std::bit_cast<uint32_t>(0x1p-60f); bits < std::bit_cast<uint32_t>(128.0f);
       bits += 4096) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-std::bit_cast<float>(bits));
  }
  return values;
}

TEST(Elementwise, ActivationsStayWithinTheirBounds) {
  const std::vector<float> x = probes();
  const auto n = static_cast<int64_t>(x.size());
  for (const Bound& bound : kBounds) {
    std::vector<float> first(x.size());
    rows_here(kRows)[0].kernel->activate(bound.activation, n, x.data(), first.data());
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(::testing::Message()
                   << row.kernel->name << " " << activation_name(bound.activation));
      std::vector<float> y(x.size());
      row.kernel->activate(bound.activation, n, x.data(), y.data());
      double worst = 0;  // error over bound
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double truth = reference::activate(bound.activation, double{x[i]});
        const double allowed = bound.of_input * kEps * std::fabs(x[i]) +
                               bound.of_result * kEps * std::fabs(truth) + bound.of_one * kEps +
                               0x1p-100;
        const double ratio = std::fabs(y[i] - truth) / allowed;
        if (!(ratio <= worst)) {
          worst = ratio;
          at = x[i];
        }
      }
      EXPECT_LE(worst, 1) << "at " << at;
      EXPECT_TRUE(row.isa == Isa::kReference ||
                  std::memcmp(y.data(), first.data(), sizeof(float) * y.size()) == 0);
    }
  }
}

TEST(Elementwise, LargeInputsSaturateAndNansStay) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const std::vector<float> x = {1e30f, infinity, -1e30f, std::nanf("")};
    std::vector<float> y(4);
    row.kernel->activate(Activation::kGelu, 4, x.data(), y.data());
    EXPECT_EQ(y[0], 1e30f);
    EXPECT_EQ(y[1], infinity);
    EXPECT_EQ(y[2], 0);
    EXPECT_TRUE(std::isnan(y[3]));
    row.kernel->activate(Activation::kTanh, 4, x.data(), y.data());
    EXPECT_EQ(y[1], 1);
    EXPECT_EQ(y[2], -1);
    row.kernel->activate(Activation::kSigmoid, 4, x.data(), y.data());
    EXPECT_EQ(y[1], 1);
    EXPECT_LT(y[2], 1e-37f);
  }
}

// What overflows must not come out as a number; the values beside it are what they are alone.
TEST(Elementwise, EveryActivationKeepsNan) {
  const float nan = std::numeric_limits<float>::infinity() * 0.0f;
  for (const auto& row : rows_here(kRows)) {
    for (const Bound& bound : kBounds) {
      const Activation activation = bound.activation;
      SCOPED_TRACE(::testing::Message() << row.kernel->name << " " << static_cast<int>(activation));
      std::vector<float> x(21, 0.75f);
      std::vector<float> without(x.size());
      row.kernel->activate(activation, 21, x.data(), without.data());
      for (const size_t at : {size_t{0}, size_t{15}, size_t{20}}) x[at] = nan;
      std::vector<float> y(x.size());
      row.kernel->activate(activation, 21, x.data(), y.data());
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(std::isnan(y[i]), i == 0 || i == 15 || i == 20) << i;
        if (std::isnan(x[i])) continue;
        EXPECT_EQ(y[i], without[i]) << i;
      }
    }
  }
}

TEST(Elementwise, ReluOfMinusZeroIsZero) {
  for (const auto& row : rows_here(kRows)) {
    const std::vector<float> x(17, -0.0f);
    std::vector<float> y(17, 1.0f);
    row.kernel->activate(Activation::kRelu, 17, x.data(), y.data());
    for (const float value : y) EXPECT_FALSE(std::signbit(value)) << row.kernel->name;
  }
}

TEST(Elementwise, RoundsToBf16) {
  std::vector<float> x = probes();
  for (const float value : {1e-40f, -1e-45f, 1e38f, std::numeric_limits<float>::infinity(),
                            std::nanf(""), 1.00390625f, 1.01171875f}) {  // the last two are ties
    x.push_back(value);
  }
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    Guarded<uint16_t> y(static_cast<int64_t>(x.size()));
    row.kernel->to_bf16(y.size(), x.data(), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(y[static_cast<int64_t>(i)], float_to_bf16(x[i])) << x[i];
    }
  }
}

/// A gated linear unit of `rows` rows inside wider ones.
struct GluProblem {
  GluProblem(int64_t row_count, int64_t row_width, bool gate_first)
      : width(row_width),
        x(random_floats(row_count * (2 * width + 3), 4, 7)),
        f16(x.size()),
        bf16(x.size()) {
    args.rows = row_count;
    args.width = args.ldy = width;
    args.ldx = 2 * width + 3;
    args.gate_column = gate_first ? 0 : width;
    args.up_column = gate_first ? width : 0;
    for (int64_t i = 0; i < x.size(); ++i) {
      f16[i] = float_to_f16(x[i]);
      bf16[i] = float_to_bf16(x[i]);
    }
  }
  // y in float32 of x as `input` holds it.
  [[nodiscard]] Guarded<float> run(const ElementwiseKernel& kernel, Activation activation,
                                   int input) {
    Guarded<float> y(args.rows * width);
    GluArgs call = with_input(input);
    call.activation = activation;
    call.y = y.data();
    kernel.glu(call);
    return y;
  }
  [[nodiscard]] GluArgs with_input(int input) {
    GluArgs call = args;
    call.x = input == 0 ? x.data() : nullptr;
    call.x_f16 = input == 1 ? f16.data() : nullptr;
    call.x_bf16 = input == 2 ? bf16.data() : nullptr;
    return call;
  }

  int64_t width;
  Guarded<float> x;
  Guarded<uint16_t> f16, bf16;
  GluArgs args;
};

TEST(Elementwise, GluIsTheActivationTimesTheOther) {
  for (const int64_t width : {1, 15, 16, 17, 50}) {
    for (const bool gate_first : {true, false}) {
      GluProblem problem(3, width, gate_first);
      for (const Bound& bound : kBounds) {
        for (const int input : {0, 1, 2}) {
          const Guarded<float> truth = problem.run(elementwise_reference, bound.activation, input);
          const Guarded<float> first =
              problem.run(*rows_here(kRows)[0].kernel, bound.activation, input);
          // |gate| and |up| are at most 4, and what the activation makes of a gate is no larger but
          // for relu2's 16: its error, and that of the product.
          const double allowed =
              (bound.of_input * 4 + bound.of_result * 16) * kEps * 4 + 2 * kEps * 64;
          for (const auto& row : rows_here(kRows)) {
            SCOPED_TRACE(::testing::Message()
                         << row.kernel->name << " " << activation_name(bound.activation));
            const Guarded<float> y = problem.run(*row.kernel, bound.activation, input);
            for (int64_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], truth[i], allowed) << i;
            EXPECT_TRUE(row.isa == Isa::kReference || y.same_bits(first));
          }
        }
      }
    }
  }
}

// Rounded results of the short GELU, 8e-5, times at most 4, and the rounding itself.
TEST(Elementwise, GluInSixteenBits) {
  for (const int64_t width : {1, 16, 17, 33}) {
    GluProblem problem(2, width, true);
    for (const Activation activation : {Activation::kGelu, Activation::kSilu}) {
      const Guarded<float> truth = problem.run(elementwise_reference, activation, 0);
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message() << row.kernel->name << " width=" << width);
        Guarded<uint16_t> bf16(truth.size());
        Guarded<uint16_t> f16(truth.size());
        GluArgs args = problem.with_input(0);
        args.activation = activation;
        args.y_bf16 = bf16.data();
        row.kernel->glu(args);
        args.y_bf16 = nullptr;
        args.y_f16 = f16.data();
        row.kernel->glu(args);
        for (int64_t i = 0; i < truth.size(); ++i) {
          const double size = std::fabs(truth[i]);
          ASSERT_NEAR(bf16_to_float(bf16[i]), truth[i], 4 * 8e-5 + size * 0x1p-8) << i;
          ASSERT_NEAR(f16_to_float(f16[i]), truth[i], 4 * 8e-5 + size * 0x1p-10) << i;
        }
      }
    }
  }
}

TEST(Elementwise, EdgesOfVectors) {
  for (const int64_t n : {0, 1, 15, 16, 17, 33}) {
    const Guarded<float> a = random_floats(n, 2, 1);
    const Guarded<float> b = random_floats(n, 2, 2);
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(::testing::Message() << row.kernel->name << " n=" << n);
      Guarded<float> sum(n);
      Guarded<float> product(n);
      Guarded<float> both(n);
      Guarded<float> gelu(n);
      row.kernel->add(n, a.data(), b.data(), sum.data());
      row.kernel->scale(n, a.data(), 0.3f, product.data());
      row.kernel->multiply(n, a.data(), b.data(), both.data());
      row.kernel->activate(Activation::kGelu, n, a.data(), gelu.data());
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(sum[i], a[i] + b[i]);
        EXPECT_EQ(product[i], a[i] * 0.3f);
        EXPECT_EQ(both[i], a[i] * b[i]);
        float alone = 0;
        row.kernel->activate(Activation::kGelu, 1, &a[i], &alone);
        EXPECT_EQ(gelu[i], alone);  // an element does not depend on its place
      }
    }
  }
}

TEST(Elementwise, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_elementwise(IsaSet()).name), "elementwise_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_elementwise(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
