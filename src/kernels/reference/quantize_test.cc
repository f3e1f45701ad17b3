#include "kernels/reference/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace tamis::kernels::reference {
namespace {

TEST(QuantizeRow, S8ErrorIsAtMostHalfAStep) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(1001);
  for (float& value : x) value = normal(engine);
  const std::vector<float> multiplier(x.size(), 2.0f);
  const std::vector<float> offset(x.size(), 0.5f);
  std::vector<int8_t> q(x.size());
  const float scale = quantize_row_s8({x, multiplier.data(), offset.data()}, q);
  // Half a step, and the rounding of a product of about 127 levels: 127 eps of a step, twice.
  const float slack = 1.0f + 4 * 127 * 0x1p-24f;
  for (size_t j = 0; j < x.size(); ++j) {
    EXPECT_LE(std::abs(scale * static_cast<float>(q[j]) - (2 * x[j] - 0.5f)), 0.5f * slack * scale);
  }
  const std::vector<float> zeros(3, 0.0f);
  std::vector<int8_t> none(3, 1);
  EXPECT_EQ(quantize_row_s8({zeros, nullptr, nullptr}, none), 0.0f);
  EXPECT_EQ(none, std::vector<int8_t>(3, 0));
}

TEST(QuantizeRow, NotANumberIsNoFault) {
  const std::vector<float> x = {std::numeric_limits<float>::quiet_NaN(), 1.0f, 2.0f};
  std::vector<int8_t> q(3);
  (void)quantize_row_s8({x, nullptr, nullptr}, q);
  EXPECT_EQ(q[2], 127);
}

// N2 of the original: scale = amax / 127, round half to even, [-128, 127], nothing below 2^-24.
TEST(QuantizeStatic, S8FollowsTheOriginalsRule) {
  const float scale = static_s8_scale(127.0f);
  EXPECT_EQ(scale, 1.0f);
  const std::pair<float, int> rows[] = {
      {0.5f, 0},     {1.5f, 2},     {2.5f, 2},     {-0.5f, 0},      {-1.5f, -2},
      {126.6f, 127}, {127.6f, 127}, {500.0f, 127}, {-127.6f, -128}, {-500.0f, -128}};
  for (const auto& [y, q] : rows) EXPECT_EQ(quantize_static_s8(y, scale), q) << y;
  EXPECT_EQ(quantize_static_s8(1.0f, static_s8_scale(0x1p-25f)), 0);
  EXPECT_EQ(quantize_static_s8(0x1p-24f, static_s8_scale(0x1p-24f)), 127);
}

TEST(QuantizeStatic, U8HoldsZeroExactly) {
  const StaticU8 range = static_u8(-1.0f, 4.1f);
  EXPECT_FLOAT_EQ(range.scale, 0.02f);
  EXPECT_EQ(range.zero, 50);
  EXPECT_EQ(quantize_static_u8(0.0f, range), 50);
  EXPECT_EQ(quantize_static_u8(99.0f, range), 255);
  EXPECT_EQ(quantize_static_u8(-99.0f, range), 0);
  EXPECT_EQ(static_u8(1.0f, 2.55f).zero, 0) << "widened down to 0";
  EXPECT_FLOAT_EQ(static_u8(1.0f, 2.55f).scale, 0.01f);
  EXPECT_EQ(quantize_static_u8(1.0f, static_u8(0.0f, 0.0f)), 0);
}

TEST(QuantizeWeight, RowUsesItsLargestMagnitude) {
  const std::vector<float> w = {-254.0f, 3.0f, 1.0f, 0.0f};
  std::vector<int8_t> q(4);
  EXPECT_EQ(quantize_weight_row(w, q), 2.0f);
  EXPECT_EQ(q, (std::vector<int8_t>{-127, 2, 0, 0}));  // 1.5 and 0.5 go to even
  EXPECT_EQ(quantize_weight_row(std::vector<float>(4, 0.0f), q), 0.0f);
  EXPECT_EQ(q, (std::vector<int8_t>(4, 0)));
}

TEST(QuantizeProbabilities, StillSumToOne) {
  std::vector<float> p = {0.7f, 0.2f, 0.099f, 0.001f};
  const std::vector<float> before = p;
  fake_quantize_probabilities(p);
  float sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum += p[i];
    // Half a level of the largest, and the division by the sum of the rounded.
    EXPECT_NEAR(p[i], before[i], 0.7f / 255 * 1.5f);
  }
  EXPECT_NEAR(sum, 1.0f, 4 * 0x1p-24f);
  EXPECT_EQ(p[3], 0.0f);
  fake_quantize_probabilities({});
}

}  // namespace
}  // namespace tamis::kernels::reference
