#include "serve/batching/answer_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::serve {
namespace {

tasks::Sequence sequence_of(std::vector<int32_t> ids) {
  tasks::Sequence sequence;
  sequence.ids = std::move(ids);
  return sequence;
}

CachedRowsPtr rows_of(size_t floats) {
  auto rows = std::make_shared<CachedRows>();
  rows->outputs.emplace_back(floats, 1.0F);
  return rows;
}

TEST(AnswerCache, AKeyIsAllThatAnAnswerDependsOn) {
  tasks::Sequence sequence = sequence_of({1, 2});
  std::vector<std::string> keys;
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, {}}));
  keys.push_back(AnswerCache::key_of(2, OutputSet::kTask, {&sequence, {}}));
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTokens, {&sequence, {}}));
  const int32_t positions[] = {5, 6};
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, positions}));
  sequence.type_ids = {5, 6};
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, {}}));
  sequence.type_ids.clear();
  sequence.selected = {1};
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, {}}));
  sequence.selected.clear();
  sequence.keys = 1;
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, {}}));
  sequence.keys = 0;
  sequence.unpooled = 1;
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&sequence, {}}));
  const tasks::Sequence other = sequence_of({1, 3});
  keys.push_back(AnswerCache::key_of(1, OutputSet::kTask, {&other, {}}));
  for (size_t i = 0; i < keys.size(); ++i) {
    for (size_t k = 0; k < i; ++k) EXPECT_NE(keys[i], keys[k]) << i << " " << k;
  }
}

TEST(AnswerCache, ForgetsWhatWasUsedLongestAgo) {
  // An entry of 1,000 floats takes about 4,280 bytes.
  AnswerCache small(10'000);
  small.add("large", rows_of(1000));
  EXPECT_EQ(small.find("large"), nullptr) << "more than an eighth of all";
  AnswerCache cache(8 * 4400);
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h"}) cache.add(key, rows_of(1000));
  EXPECT_NE(cache.find("a"), nullptr);
  cache.add("i", rows_of(1000));
  EXPECT_NE(cache.find("a"), nullptr) << "it was used";
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_LE(cache.counts().bytes, 8 * 4400);
  EXPECT_EQ(cache.counts().entries, 8);
  EXPECT_EQ(cache.counts().hits, 2U);
  EXPECT_EQ(cache.counts().misses, 1U);
}

TEST(CachedJob, RunsWhatLacksAndPutsTheRestBack) {
  AnswerCache cache(1 << 20);
  const std::vector<OutputInfo> infos = {{"logits", 2, engine::RowUnit::kToken}};
  const tasks::Sequence one = sequence_of({1});
  const tasks::Sequence two = sequence_of({2, 3});
  const auto run = [&](std::vector<RowRef> rows) {
    Job job;
    job.rows = std::move(rows);
    for (const RowRef& row : job.rows) job.tokens += row.sequence->size();
    CachedJob cached(cache, 7, job);
    const auto hits = cached.hits();
    // As the runner would: each token's row is its id, twice.
    RawOutput result{"logits", 2, {}, {}};
    job.first_row.emplace_back();
    int64_t first = 0;
    for (const RowRef& row : job.rows) {
      job.first_row[0].push_back(first);
      result.rows_of_input.push_back(row.sequence->size());
      first += row.sequence->size();
      for (const int32_t id : row.sequence->ids) {
        result.values.insert(result.values.end(), 2, static_cast<float>(id));
      }
    }
    if (!job.rows.empty()) job.results.push_back(result);
    cached.finish(job, infos);
    return std::tuple(hits, job.tokens, job.results.at(0).values, job.first_row.at(0));
  };
  using Values = std::vector<float>;
  using Firsts = std::vector<int64_t>;
  EXPECT_EQ(run({{&two, {}}}), std::tuple(int64_t{0}, int64_t{2}, Values({2, 2, 3, 3}), Firsts{0}));
  EXPECT_EQ(
      run({{&one, {}}, {&two, {}}, {&one, {}}}),
      std::tuple(int64_t{1}, int64_t{2}, Values({1, 1, 2, 2, 3, 3, 1, 1}), Firsts({0, 1, 3})));
  EXPECT_EQ(run({{&two, {}}, {&one, {}}}),
            std::tuple(int64_t{2}, int64_t{0}, Values({2, 2, 3, 3, 1, 1}), Firsts({0, 2})));
}

}  // namespace
}  // namespace tamis::serve
