#include "onnx/layout.h"

#include <gtest/gtest.h>

namespace tamis::onnx {
namespace {

constexpr BatchSizes kSizes[] = {{2, 7}, {3, 5}};

// The layout reshaped to dims in which -2 stands for sequences and -3 for tokens.
std::optional<Layout> reshaped(const Layout& layout, const Dims& symbolic) {
  std::vector<Dims> targets;
  for (const BatchSizes& sizes : kSizes) {
    Dims& dims = targets.emplace_back();
    for (const int64_t size : symbolic) {
      dims.push_back(size == -2 ? sizes.sequences : size == -3 ? sizes.tokens : size);
    }
  }
  return layout.reshaped(targets, kSizes);
}

TEST(Layout, SplitsHeadsAndJoinsThemAgain) {
  const Layout rows = Layout::rows(32);
  const auto split = reshaped(rows, {-2, -3, 4, 8});
  ASSERT_TRUE(split);
  EXPECT_EQ((*split)[2], (AtomGroup{{Axis::kColumn, 4, 8}}));
  EXPECT_EQ((*split)[3], (AtomGroup{{Axis::kColumn, 8, 1}}));
  const Layout heads = split->transposed(std::vector<int64_t>{0, 2, 1, 3});
  EXPECT_EQ(heads.dims(kSizes[1]), (Dims{3, 4, 5, 8}));
  EXPECT_FALSE(heads.is_rows(32));
  const Layout back = heads.transposed(std::vector<int64_t>{0, 2, 1, 3});
  EXPECT_EQ(reshaped(back, {-2, -3, 32}), rows);
  EXPECT_TRUE(rows.is_rows(32));
}

TEST(Layout, RefusesToJoinWhatIsOutOfOrder) {
  const Layout heads =
      reshaped(Layout::rows(32), {-2, -3, 4, 8})->transposed(std::vector<int64_t>{0, 2, 1, 3});
  // Without turning back, columns and tokens would mix.
  EXPECT_FALSE(reshaped(heads, {-2, -3, 32}));
  EXPECT_FALSE(reshaped(Layout::rows(32), {-3, -2, 32}));
  EXPECT_FALSE(reshaped(Layout::rows(32), {-2, -3, 16}));
}

TEST(Layout, JoinsSequencesWithTokensAndWithHeads) {
  const auto flat = reshaped(Layout::rows(6), {-2, -3, 6});
  EXPECT_TRUE(flat->is_rows(6));
  const std::vector<Dims> joined = {{14, 6}, {15, 6}};
  const auto rows = Layout::rows(6).reshaped(joined, kSizes);
  ASSERT_TRUE(rows);
  EXPECT_TRUE(rows->is_rows(6));
  const Layout heads =
      reshaped(Layout::rows(6), {-2, -3, 2, 3})->transposed(std::vector<int64_t>{0, 2, 1, 3});
  const std::vector<Dims> three = {{4, 7, 3}, {6, 5, 3}};
  const auto batched = heads.reshaped(three, kSizes);
  ASSERT_TRUE(batched);
  EXPECT_EQ((*batched)[0], (AtomGroup{{Axis::kSequence}, {Axis::kColumn, 2, 3}}));
}

TEST(Layout, TakesAxesOfSizeOne) {
  const auto wide = reshaped(Layout::rows(8), {-2, 1, -3, 8, 1});
  ASSERT_TRUE(wide);
  EXPECT_TRUE((*wide)[1].empty());
  EXPECT_EQ(reshaped(*wide, {-2, -3, 8}), Layout::rows(8));
}

TEST(Layout, TellsSizesThatBatchesShare) {
  const Layout layout({{{Axis::kSequence}, {Axis::kToken}}, {}, {{Axis::kColumn, 8, 1}}});
  EXPECT_FALSE(layout.is_fixed(0));
  EXPECT_TRUE(layout.is_fixed(1));
  EXPECT_TRUE(layout.is_fixed(2));
}

}  // namespace
}  // namespace tamis::onnx
