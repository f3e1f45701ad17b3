// Rows that are picked out, on the emulator.
#include "kernels/cuda/select/select-inl.h"

#include <gtest/gtest.h>

#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;

TEST(SelectKernel, CopiesRowsAndZeros) {
  constexpr int kUnits = 131;
  Guarded<uint16_t> x(3 * kUnits);
  for (int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i + 1);
  Guarded<int32_t> from(4);
  from[0] = 2;
  from[1] = -1;
  from[2] = 0;
  from[3] = 2;
  const auto rows = testing::number(2);
  Guarded<uint16_t> y(4 * kUnits);
  testing::run<device::SelectKernel>(
      SelectParams{rows.data(), from.data(), 2, kUnits, x.data(), y.data()}, 3, 1, kSelectThreads,
      0);
  for (int part = 0; part < 4; ++part) {
    for (int unit = 0; unit < kUnits; ++unit) {
      const int want = from[part] < 0 ? 0 : from[part] * kUnits + unit + 1;
      EXPECT_EQ(y[part * kUnits + unit], want);
    }
  }
}

}  // namespace
}  // namespace tamis::cuda
