#include "math/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace tamis::math {
namespace {

TEST(AllFinite, OneBadValueAnywhereIsFound) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const size_t size : {0, 1, 15, 16, 17, 31, 32, 33, 384}) {
    std::vector<float> values(size, -kMax);
    if (size > 0) values[0] = std::numeric_limits<float>::denorm_min();
    EXPECT_TRUE(all_finite(values)) << size;
    for (size_t i = 0; i < size; ++i) {
      for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
        const float good = std::exchange(values[i], bad);
        EXPECT_FALSE(all_finite(values)) << size << " " << i;
        values[i] = good;
      }
    }
  }
}

}  // namespace
}  // namespace tamis::math
