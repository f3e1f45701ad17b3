#include "kernels/cpu/pooling/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const PoolingKernel pooling_##row;
#include "kernels/cpu/pooling/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<PoolingKernel> kRows[] = {
#define X(row, level) {Isa::level, &pooling_##row},
#include "kernels/cpu/pooling/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;

constexpr Pooling kKinds[] = {Pooling::kCls,         Pooling::kMean,         Pooling::kMax,
                              Pooling::kMeanSqrtLen, Pooling::kWeightedMean, Pooling::kLastToken,
                              Pooling::kVocabulary};

TEST(Pooling, EveryRowAndKind) {
  const std::vector<int32_t> cu_seqlens = {0, 1, 1, 8, 40};
  const std::vector<int32_t> unpooled = {1, 0, 3, 5};
  for (const int64_t width : {1, 15, 16, 17, 64}) {
    const Guarded<float> x = random_floats(40 * width, 1, 1);
    for (size_t i = 0; i < 2 * std::size(kKinds); ++i) {
      const Pooling kind = kKinds[i / 2];
      PoolingArgs args;
      args.kind = kind;
      args.cu_seqlens = cu_seqlens.data();
      args.sequences = 4;
      args.width = args.ldx = args.ldy = width;
      args.x = x.data();
      if (i % 2 == 1) args.unpooled = unpooled.data();
      Guarded<float> truth(4 * width);
      args.y = truth.data();
      reference::pooling(args);
      Guarded<float> first(4 * width);
      args.y = first.data();
      rows_here(kRows)[0].kernel->run(args);
      for (const auto& row : rows_here(kRows)) {
        SCOPED_TRACE(::testing::Message()
                     << row.kernel->name << " kind " << static_cast<int>(kind));
        Guarded<float> y(4 * width);
        args.y = y.data();
        row.kernel->run(args);
        // A sum of 32 values below 1 (weights add to 1, or the sum is divided by sqrt(32)) errs by
        // at most 32 eps of sum|x|, which is 32 / sqrt(32) at most.
        const double bound = 32 * kEps * 32 / std::sqrt(32.0);
        for (int64_t k = 0; k < y.size(); ++k) ASSERT_NEAR(y[k], truth[k], bound) << k;
        EXPECT_TRUE(row.isa == Isa::kReference || y.same_bits(first));
      }
    }
  }
}

// A vector of `width` numbers for each sequence of the rows x.
std::vector<float> pooled(const PoolingKernel& kernel, Pooling kind,
                          const std::vector<int32_t>& cu_seqlens, const std::vector<float>& x,
                          int64_t width, const int32_t* unpooled = nullptr) {
  std::vector<float> y((cu_seqlens.size() - 1) * static_cast<size_t>(width), -1);
  PoolingArgs args;
  args.kind = kind;
  args.cu_seqlens = cu_seqlens.data();
  args.sequences = static_cast<int64_t>(cu_seqlens.size()) - 1;
  args.width = args.ldx = args.ldy = width;
  args.x = x.data();
  args.y = y.data();
  args.unpooled = unpooled;
  kernel.run(args);
  return y;
}

// sentence-transformers' include_prompt: false.
TEST(Pooling, TokensThatAreLeftOut) {
  const std::vector<int32_t> cu_seqlens = {0, 4, 6, 7};
  const std::vector<int32_t> unpooled = {2, 2, 0};
  const std::vector<float> x = {9, 1, 3, 5, 8, 7, 4};
  const auto root = static_cast<float>(std::sqrt(2.0));
  const std::vector<std::vector<float>> wanted = {
      {3, 8, 4}, {4, 0, 4}, {5, 0, 4}, {8 / root, 0, 4}, {(9 + 20) / 7.0f, 0, 4}, {5, 0, 4}};
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const std::vector<float> y =
          pooled(*row.kernel, kKinds[i], cu_seqlens, x, 1, unpooled.data());
      for (size_t s = 0; s < 3; ++s) EXPECT_NEAR(y[s], wanted[i][s], 8 * kEps) << i << " " << s;
    }
  }
}

TEST(Pooling, VocabularyIsTheLogOfTheGreatest) {
  const std::vector<int32_t> cu_seqlens = {0, 3};
  const std::vector<float> x = {-1, 2, 0, -3, 0.5f, 0, -2, 1, -0.0f};
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const std::vector<float> y = pooled(*row.kernel, Pooling::kVocabulary, cu_seqlens, x, 3);
    EXPECT_EQ(y[0], 0);
    EXPECT_NEAR(y[1], std::log1p(2.0), 2 * kEps);
    EXPECT_EQ(y[2], 0);
  }
}

// A greatest value alone would hide it.
TEST(Pooling, VocabularyKeepsWhatIsNotFinite) {
  const std::vector<int32_t> cu_seqlens = {0, 3};
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, infinity * 0.0f}) {
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      for (size_t at = 0; at < 3; ++at) {
        std::vector<float> x(3, 1.0f);
        x[at] = bad;
        const std::vector<float> y = pooled(*row.kernel, Pooling::kVocabulary, cu_seqlens, x, 1);
        EXPECT_FALSE(std::isfinite(y[0])) << bad << " at " << at;
      }
    }
  }
}

TEST(Pooling, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_pooling(IsaSet()).name), "pooling_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_pooling(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
