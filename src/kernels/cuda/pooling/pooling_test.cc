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
  const auto x = testing::random_floats(40 * kWidth, 2, 1);
  const auto sequences = testing::number(4);
  const kernels::PoolingKernel& kernel = kernels::select_pooling(detected_isas());
  for (const Pooling kind : {Pooling::kCls, Pooling::kMean, Pooling::kMax, Pooling::kMeanSqrtLen,
                             Pooling::kWeightedMean, Pooling::kLastToken, Pooling::kVocabulary}) {
    Guarded<float> want(4 * kWidth);
    Guarded<float> got(4 * kWidth);
    kernel.run({kind, cu_seqlens.data(), 4, kWidth, x.data(), kWidth, want.data(), kWidth});
    testing::run<device::PoolingKernel>(PoolingParams{kind, sequences.data(), cu_seqlens.data(),
                                                      kWidth, x.data(), got.data(), kWidth},
                                        5, testing::blocks(kWidth, kPoolingThreads),
                                        kPoolingThreads, 0);
    if (kind != Pooling::kVocabulary) {
      EXPECT_TRUE(got.same_bits(want)) << static_cast<int>(kind);
      continue;
    }
    for (int64_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 0x1p-21);
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
  testing::run<device::PoolingKernel>(PoolingParams{Pooling::kVocabulary, sequences.data(),
                                                    cu_seqlens.data(), 4, x.data(), y.data(), 4},
                                      1, 1, kPoolingThreads, 0);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_FALSE(std::isfinite(y[1]));
  EXPECT_FALSE(std::isfinite(y[2]));
}

}  // namespace
}  // namespace tamis::cuda
