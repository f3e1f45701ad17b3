#include "math/probabilities.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tamis::math {
namespace {

TEST(Probabilities, SoftmaxSigmoidAndUnitLength) {
  std::vector<float> x = {1000, 1000, 1000 + std::log(2.0f)};
  softmax(x);
  EXPECT_NEAR(x[0], 0.25, 1e-4);  // log(2) is rounded to 6e-5 at 1000
  EXPECT_NEAR(x[0] + x[1] + x[2], 1, 1e-6);
  std::vector<float> s = {0, -1000, 1000};
  sigmoid(s);
  EXPECT_EQ(s, (std::vector<float>{0.5f, 0, 1}));
  std::vector<float> v = {3, 4};
  l2_normalize(v);
  EXPECT_FLOAT_EQ(v[0], 0.6f);
  std::vector<float> zero = {0, 0};
  l2_normalize(zero);
  EXPECT_EQ(zero, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace tamis::math
