#include "engine/batch_builder.h"

#include <gtest/gtest.h>

namespace tamis::engine {
namespace {

using Ids = std::vector<int32_t>;

Ids copy(std::span<const int32_t> ids) { return {ids.begin(), ids.end()}; }

const Ids kThree = {7, 8, 9};
const Ids kTwo = {5, 6};
const Ids kNone = {};

void expect_rows(const RowMap& map, RowUnit unit, int64_t sequence, RowRange want) {
  const RowRange rows = map.rows(unit, sequence, sequence + 1);
  EXPECT_EQ(rows.begin, want.begin);
  EXPECT_EQ(rows.count, want.count);
}

TEST(BatchBuilder, JoinsSequences) {
  BatchBuilder builder;
  for (const Ids* ids : {&kThree, &kNone, &kTwo}) builder.append({*ids, {}, {}, {}});
  const PackedBatch batch = builder.batch();
  EXPECT_EQ(copy(batch.input_ids), (Ids{7, 8, 9, 5, 6}));
  EXPECT_EQ(copy(batch.cu_seqlens), (Ids{0, 3, 3, 5}));
  EXPECT_EQ(batch.max_seqlen, 3);
  EXPECT_TRUE(batch.token_type_ids.empty());
  EXPECT_TRUE(batch.position_ids.empty());
  EXPECT_TRUE(batch.selected_tokens.empty());
  builder.clear();
  EXPECT_EQ(builder.sequences(), 0);
  EXPECT_EQ(copy(builder.batch().cu_seqlens), (Ids{0}));
}

// Whichever sequence brings something first, the others' tokens keep their places.
TEST(BatchBuilder, FillsInWhatOthersLeaveOut) {
  const Ids types = {1, 1};
  const Ids positions = {4, 9};
  const Ids selected = {1};
  const SequenceView with{kTwo, types, positions, selected};
  const SequenceView without{kThree, {}, {}, {}};
  BatchBuilder builder(2);
  builder.append(without);
  builder.append(with);
  builder.append(without);
  const PackedBatch batch = builder.batch();
  EXPECT_EQ(copy(batch.token_type_ids), (Ids{0, 0, 0, 1, 1, 0, 0, 0}));
  EXPECT_EQ(copy(batch.position_ids), (Ids{2, 3, 4, 4, 9, 2, 3, 4}));
  EXPECT_EQ(copy(batch.selected_tokens), (Ids{0, 1, 2, 4, 5, 6, 7}));
  const RowMap rows(batch);
  for (int64_t s = 0; s < 3; ++s) {
    const SequenceView& view = s == 1 ? with : without;
    for (const RowUnit unit : {RowUnit::kSequence, RowUnit::kToken, RowUnit::kSelectedToken}) {
      EXPECT_EQ(rows.rows(unit, s, s + 1).count, rows_of(view, unit)) << s;
    }
  }
  expect_rows(rows, RowUnit::kSelectedToken, 1, {3, 1});
  expect_rows(rows, RowUnit::kSelectedToken, 2, {4, 3});
}

TEST(BatchBuilder, CountsKeysOnceAnySequenceHasFewer) {
  BatchBuilder builder;
  builder.append({kThree, {}, {}, {}});
  EXPECT_TRUE(builder.batch().key_lengths.empty());
  builder.append({kTwo, {}, {}, {}, 1});
  builder.append({kNone, {}, {}, {}});
  builder.append({kThree, {}, {}, {}});
  EXPECT_EQ(copy(builder.batch().key_lengths), (Ids{3, 1, 0, 3}));
  builder.clear();
  builder.append({kTwo, {}, {}, {}});
  EXPECT_TRUE(builder.batch().key_lengths.empty());
}

TEST(BatchBuilder, CountsWhatIsNotPooledOnceThereIsSome) {
  BatchBuilder builder;
  builder.append({kThree, {}, {}, {}});
  EXPECT_TRUE(builder.batch().unpooled.empty());
  builder.append({kTwo, {}, {}, {}, 0, 1});
  builder.append({kThree, {}, {}, {}});
  EXPECT_EQ(copy(builder.batch().unpooled), (Ids{0, 1, 0}));
  builder.clear();
  builder.append({kTwo, {}, {}, {}});
  EXPECT_TRUE(builder.batch().unpooled.empty());
}

TEST(RowMap, KnowsWhichRowsAreWhose) {
  const Ids first = {0, 2};
  const Ids last = {1};
  BatchBuilder builder;
  builder.append({kThree, {}, {}, first});
  builder.append({kNone, {}, {}, {}});
  builder.append({kTwo, {}, {}, last});
  const RowMap rows(builder.batch());
  expect_rows(rows, RowUnit::kSequence, 2, {2, 1});
  expect_rows(rows, RowUnit::kToken, 0, {0, 3});
  expect_rows(rows, RowUnit::kToken, 1, {3, 0});
  expect_rows(rows, RowUnit::kToken, 2, {3, 2});
  expect_rows(rows, RowUnit::kSelectedToken, 0, {0, 2});
  expect_rows(rows, RowUnit::kSelectedToken, 1, {2, 0});
  expect_rows(rows, RowUnit::kSelectedToken, 2, {2, 1});
  EXPECT_EQ(rows.rows(RowUnit::kToken, 0, 3).count, 5);
  EXPECT_EQ(rows.total(RowUnit::kSequence), 3);
  EXPECT_EQ(rows.total(RowUnit::kToken), 5);
  EXPECT_EQ(rows.total(RowUnit::kSelectedToken), 3);
}

TEST(BatchCost, CountsPaddingWhereAnEnginePads) {
  BatchCost ragged;
  BatchCost padded;
  padded.padded = true;
  for (const int64_t length : {10, 3, 4}) {
    ragged.add(length);
    padded.add(length);
  }
  EXPECT_EQ(ragged.value(), 17);
  EXPECT_EQ(padded.value(), 30);
  EXPECT_EQ(ragged.with(20), 37);
  EXPECT_EQ(padded.with(20), 80);
  EXPECT_EQ(padded.value(), 30);
}

}  // namespace
}  // namespace tamis::engine
