#include "engines/cpu/block.h"

#include <gtest/gtest.h>

#include <numeric>

namespace tamis::engines::cpu {
namespace {

using engine::PackedBatch;

struct Batch {
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens{0};
  std::vector<int32_t> selected;
  explicit Batch(const std::vector<int32_t>& lengths) {
    for (const int32_t length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
    ids.assign(static_cast<size_t>(cu_seqlens.back()), 0);
  }
  [[nodiscard]] PackedBatch packed() const {
    PackedBatch batch;
    batch.input_ids = ids;
    batch.cu_seqlens = cu_seqlens;
    batch.selected_tokens = selected;
    return batch;
  }
};

Schedule schedule_of(const Batch& batch, int workers, int64_t block_tokens) {
  ScheduleOptions options;
  options.workers = workers;
  options.block_tokens = block_tokens;
  Schedule schedule;
  make_schedule(batch.packed(), options, schedule);
  return schedule;
}

// Every sequence, token and selected token stands in exactly one block.
void expect_cover(const Schedule& schedule, const PackedBatch& batch) {
  std::vector<int> sequences(static_cast<size_t>(batch.sequences()));
  int64_t tokens = 0;
  int64_t selected = 0;
  for (const Block& block : schedule.blocks) {
    EXPECT_GT(block.sequences(), 0);
    for (int64_t s = block.sequence_begin; s < block.sequence_end; ++s) {
      ++sequences[static_cast<size_t>(s)];
    }
    EXPECT_EQ(block.token_begin, batch.cu_seqlens[static_cast<size_t>(block.sequence_begin)]);
    EXPECT_EQ(block.token_end, batch.cu_seqlens[static_cast<size_t>(block.sequence_end)]);
    tokens += block.tokens();
    selected += block.selected();
    for (int64_t i = block.selected_begin; i < block.selected_end; ++i) {
      if (batch.selected_tokens.empty()) break;
      const int32_t token = batch.selected_tokens[static_cast<size_t>(i)];
      EXPECT_TRUE(token >= block.token_begin && token < block.token_end);
    }
  }
  for (const int count : sequences) EXPECT_EQ(count, 1);
  EXPECT_EQ(tokens, batch.tokens());
  EXPECT_EQ(selected, batch.selected());
}

TEST(Schedule, CoversAnyBatchOnce) {
  const std::vector<std::vector<int32_t>> kLengths = {
      {1}, {0}, {0, 5, 0}, {600}, {256, 256}, {3, 300, 1, 1, 80, 900, 2}, {10, 10, 10, 10, 10}};
  for (const auto& lengths : kLengths) {
    for (const int workers : {1, 2, 7}) {
      for (const int64_t block_tokens : {1, 64, 256}) {
        Batch batch(lengths);
        expect_cover(schedule_of(batch, workers, block_tokens), batch.packed());
        for (int32_t t = 0; t < batch.cu_seqlens.back(); t += 3) batch.selected.push_back(t);
        if (!batch.selected.empty()) {
          expect_cover(schedule_of(batch, workers, block_tokens), batch.packed());
        }
      }
    }
  }
}

TEST(Schedule, ManySequencesGoBlockByBlock) {
  const Schedule schedule = schedule_of(Batch(std::vector<int32_t>(32, 128)), 2, 256);
  EXPECT_FALSE(schedule.team);
  EXPECT_EQ(schedule.blocks.size(), 16u);
}

TEST(Schedule, OneSequenceIsSharedByTheTeam) {
  EXPECT_TRUE(schedule_of(Batch({128}), 2, 256).team);
  EXPECT_FALSE(schedule_of(Batch({128}), 1, 256).team);
  EXPECT_TRUE(schedule_of(Batch({1000, 10}), 2, 256).team);
}

TEST(Schedule, DearestFirst) {
  const Schedule schedule = schedule_of(Batch({10, 200, 50, 100, 120, 80, 90, 200}), 2, 100);
  ASSERT_FALSE(schedule.team);
  for (size_t i = 1; i < schedule.blocks.size(); ++i) {
    EXPECT_GE(schedule.blocks[i - 1].tokens(), schedule.blocks[i].tokens());
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
