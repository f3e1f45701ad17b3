// Pooling on the emulator: the bits of the CPU's.
#include "kernels/cuda/pooling/pooling-inl.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cpu.h"
#include "kernels/cpu/pooling/pooling.h"
#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;

TEST(PoolingKernel, HasTheCpusBits) {
  constexpr int kWidth = 130;
  Guarded<int32_t> cu_seqlens(5);
  const int32_t borders[] = {0, 1, 1, 8, 40};
  std::copy(std::begin(borders), std::end(borders), cu_seqlens.data());
  Guarded<int32_t> unpooled(4);
  const auto x = testing::random_floats(40 * kWidth, 2, 1);
  const auto sequences = testing::number(4);
  const kernels::PoolingKernel& kernel = kernels::select_pooling(detected_isas());
  constexpr Pooling kKinds[] = {Pooling::kCls,         Pooling::kMean,         Pooling::kMax,
                                Pooling::kMeanSqrtLen, Pooling::kWeightedMean, Pooling::kLastToken,
                                Pooling::kVocabulary};
  for (size_t i = 0; i < 2 * std::size(kKinds); ++i) {
    const Pooling kind = kKinds[i / 2];
    const int32_t left_out[] = {1, 0, 3, 5};
    for (int s = 0; s < 4; ++s) unpooled[s] = i % 2 == 0 ? 0 : left_out[s];
    Guarded<float> want(4 * kWidth);
    Guarded<float> got(4 * kWidth);
    kernel.run({kind, cu_seqlens.data(), 4, kWidth, x.data(), kWidth, want.data(), kWidth,
                unpooled.data()});
    testing::run<device::PoolingKernel>(
        PoolingParams{kind, sequences.data(), cu_seqlens.data(), kWidth, x.data(), got.data(),
                      kWidth, unpooled.data()},
        5, testing::blocks(kWidth, kPoolingThreads), kPoolingThreads, 0);
    if (kind != Pooling::kVocabulary) {
      EXPECT_TRUE(got.same_bits(want)) << static_cast<int>(kind);
      continue;
    }
    for (int64_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], want[k], 0x1p-21);
  }
}

TEST(PoolingKernel, AVocabularyOfWhatIsNotFiniteIsNot) {
  Guarded<int32_t> cu_seqlens(2);
  cu_seqlens[1] = 2;
  Guarded<float> x(2 * 4);
  x[1] = std::nanf("");
  x[6] = INFINITY;
  Guarded<float> y(4);
  const auto sequences = testing::number(1);
  Guarded<int32_t> unpooled(1);
  unpooled[0] = 1;  // of which this kind takes no notice
  testing::run<device::PoolingKernel>(
      PoolingParams{Pooling::kVocabulary, sequences.data(), cu_seqlens.data(), 4, x.data(),
                    y.data(), 4, unpooled.data()},
      1, 1, kPoolingThreads, 0);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_FALSE(std::isfinite(y[1]));
  EXPECT_FALSE(std::isfinite(y[2]));
}

}  // namespace
}  // namespace tamis::cuda
