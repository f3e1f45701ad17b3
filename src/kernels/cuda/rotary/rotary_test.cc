// Rotary positions on the emulator: the bits of the CPU's.
#include "kernels/cuda/rotary/rotary-inl.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "kernels/cpu/rotary/rotary.h"
#include "kernels/cuda/testing.h"
#include "kernels/reference/reference.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;

TEST(RotaryKernel, HasTheCpusBits) {
  if (detected_isas() == isas_up_to("reference")) GTEST_SKIP() << "the reference row is in double";
  constexpr int kRows = 6;
  constexpr int kHeads = 2;
  constexpr int kHeadSize = 20;
  constexpr int kPairs = 8;
  constexpr int kWidth = kHeads * kHeadSize + 20;  // values lie behind
  const auto x = testing::random_floats(kRows * kWidth, 1, 1);
  const auto rows = testing::number(kRows);
  Guarded<int32_t> places(kRows);
  for (int i = 0; i < kRows; ++i) places[i] = i;
  const auto frequencies = testing::random_floats(kPairs, 1, 2);
  for (const bool interleaved : {false, true}) {
    const int angles = interleaved ? 2 * kPairs : kPairs;
    Guarded<float> cosine(kRows * angles);
    Guarded<float> sine(kRows * angles);
    kernels::reference::rotary_table(
        {0, kRows, kPairs, interleaved, frequencies.data(), 1.0f, cosine.data(), sine.data()});
    kernels::RotaryArgs args;
    args.rows = kRows;
    args.width = args.ldx = args.ldy = kWidth;
    args.heads = kHeads;
    args.head_size = kHeadSize;
    args.pairs = kPairs;
    args.interleaved = interleaved;
    args.cosine = cosine.data();
    args.sine = sine.data();
    args.ld_angles = angles;
    args.x = x.data();
    Guarded<float> want(kRows * kWidth);
    args.y = want.data();
    kernels::select_rotary(detected_isas()).run(args);
    Guarded<float> got(kRows * kWidth);
    testing::run<device::RotaryKernel>(RotaryParams{rows.data(),
                                                    places.data(),
                                                    kWidth,
                                                    kHeads,
                                                    kHeadSize,
                                                    kPairs,
                                                    interleaved,
                                                    cosine.data(),
                                                    sine.data(),
                                                    angles,
                                                    {x.data(), Stored::kF32},
                                                    {got.data(), Stored::kF32}},
                                       kRows + 2, 1, kRotaryThreads, 0);
    EXPECT_TRUE(got.same_bits(want)) << interleaved;
  }
}

}  // namespace
}  // namespace tamis::cuda
