#include "engines/onnxruntime/pad_groups.h"

#include <gtest/gtest.h>

namespace tamis::engines::onnxruntime {
namespace {

std::vector<int32_t> borders(const std::vector<int32_t>& lengths) {
  std::vector<int32_t> cu_seqlens = {0};
  for (const int32_t length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
  return cu_seqlens;
}

TEST(PadGroups, PutsLikeLengthsTogether) {
  const auto groups = pad_groups(borders({3, 16, 8, 7, 15, 16}), 1000, true);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].sequences, (std::vector<int32_t>{1, 5, 4, 2}));
  EXPECT_EQ(groups[0].longest, 16);
  EXPECT_EQ(groups[1].sequences, (std::vector<int32_t>{3}));
  EXPECT_EQ(groups[1].longest, 7);
  EXPECT_EQ(pad_groups(borders({3, 7}), 1000, true).size(), 2u);
  EXPECT_EQ(pad_groups(borders({4, 7}), 1000, true).size(), 1u);
}

TEST(PadGroups, CountsPaddingAgainstTheBudget) {
  // 10 + 9 tokens cost 20.
  EXPECT_EQ(pad_groups(borders({10, 9}), 20, true).size(), 1u);
  EXPECT_EQ(pad_groups(borders({10, 9}), 19, true).size(), 2u);
  EXPECT_EQ(pad_groups(borders({10}), 5, true).size(), 1u);
}

TEST(PadGroups, LeavesEmptySequencesOut) {
  const auto groups = pad_groups(borders({0, 2, 0}), 100, true);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].sequences, (std::vector<int32_t>{1}));
  EXPECT_TRUE(pad_groups(borders({0}), 100, true).empty());
}

// Without a mask the tokens would attend to the padding.
TEST(PadGroups, WithoutPaddingOnlyEqualLengthsGoTogether) {
  const auto groups = pad_groups(borders({3, 4, 3}), 1000, false);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].longest, 4);
  EXPECT_EQ(groups[1].sequences.size(), 2u);
}

}  // namespace
}  // namespace tamis::engines::onnxruntime
