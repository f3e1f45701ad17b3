#include "serve/batching/batch_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tamis::serve {
namespace {

// Jobs whose rows have the given lengths; keeps their sequences.
class Jobs {
 public:
  JobPtr make(uint64_t client, const std::vector<int64_t>& lengths, uint32_t priority = 0) {
    auto job = std::make_shared<Job>();
    for (const int64_t length : lengths) {
      auto& sequence = sequences_.emplace_back(std::make_unique<tasks::Sequence>());
      sequence->ids.assign(static_cast<size_t>(length), 1);
      job->rows.push_back({sequence.get(), {}});
      job->tokens += length;
    }
    job->client = client;
    job->priority = priority;
    return job;
  }

 private:
  std::vector<std::unique_ptr<tasks::Sequence>> sequences_;
};

// "1:0-2 2:0-1": of each piece the client and the rows.
std::string to_text(const Batch& batch) {
  std::string text;
  for (const Piece& piece : batch.pieces) {
    text += cat(text.empty() ? "" : " ", piece.job->client, ":", piece.begin, "-", piece.end);
  }
  return text;
}

TEST(BatchQueue, AnEmptyQueueGivesAnEmptyBatch) {
  BatchQueue queue;
  EXPECT_TRUE(queue.pop({}, 0).pieces.empty());
  EXPECT_TRUE(queue.empty());
}

TEST(BatchQueue, TakesRowsUpToTheTokenBudget) {
  Jobs jobs;
  BatchQueue queue;
  for (uint64_t client = 1; client <= 5; ++client) queue.push(jobs.make(client, {10}));
  const Batch batch = queue.pop({30, 100}, 0);
  EXPECT_EQ(to_text(batch), "1:0-1 2:0-1 3:0-1");
  EXPECT_EQ(batch.tokens, 30);
  EXPECT_EQ(queue.jobs(), 2U);
}

// Rows of 10, 3 and 4 tokens cost a padded engine 10, 20 and 30.
TEST(BatchQueue, CountsPaddingWhereTheEnginePads) {
  for (const bool padded : {false, true}) {
    Jobs jobs;
    BatchQueue queue;
    queue.push(jobs.make(1, {10, 3, 4}));
    BatchBudget budget{20, 100};
    budget.padded = padded;
    EXPECT_EQ(to_text(queue.pop(budget, 0)), padded ? "1:0-2" : "1:0-3");
  }
}

TEST(BatchQueue, ARowLongerThanTheBudgetRunsAlone) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {500}));
  queue.push(jobs.make(2, {10}));
  EXPECT_EQ(to_text(queue.pop({30, 100}, 0)), "1:0-1");
  EXPECT_EQ(to_text(queue.pop({30, 100}, 0)), "2:0-1");
}

TEST(BatchQueue, ALargeRequestIsSplitAndDoesNotStarveASmallOne) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, std::vector<int64_t>(100, 10)));
  EXPECT_EQ(to_text(queue.pop({40, 100}, 0)), "1:0-4");
  queue.push(jobs.make(2, {10}));
  // One row of each client in turn: the small one is in the next batch.
  EXPECT_EQ(to_text(queue.pop({40, 100}, 0)), "1:4-5 2:0-1 1:5-7");
  EXPECT_EQ(to_text(queue.pop({40, 100}, 0)), "1:7-11");
}

TEST(BatchQueue, ClientsShareTokensNotRequests) {
  Jobs jobs;
  BatchQueue queue;
  for (int i = 0; i < 4; ++i) queue.push(jobs.make(1, {40}));
  for (int i = 0; i < 16; ++i) queue.push(jobs.make(2, {10}));
  int64_t tokens[3] = {0, 0, 0};
  const Batch batch = queue.pop({160, 100}, 0);
  for (const Piece& piece : batch.pieces) {
    for (size_t r = piece.begin; r < piece.end; ++r) {
      tokens[piece.job->client] += piece.job->rows[r].sequence->size();
    }
  }
  EXPECT_EQ(tokens[1], 80);
  EXPECT_EQ(tokens[2], 80);
}

TEST(BatchQueue, WhoWasServedMuchIsRememberedThroughAPause) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {100}));
  queue.push(jobs.make(2, {10, 10, 10, 10}));
  EXPECT_EQ(to_text(queue.pop({100, 100}, 0)), "1:0-1");
  // Client 1 comes back at once; client 2 has had nothing yet.
  queue.push(jobs.make(1, {10}));
  EXPECT_EQ(to_text(queue.pop({40, 100}, 0)), "2:0-4");
}

// What admission counted on: those who came before, not those who come after, are waited for.
TEST(BatchQueue, WhoComesBackIsNotOvertakenByNewcomersForLong) {
  Jobs jobs;
  BatchQueue queue;
  uint64_t next = 1;
  for (; next <= 20; ++next) queue.push(jobs.make(next, {10}));
  EXPECT_EQ(to_text(queue.pop({20, 100}, 0)), "1:0-1 2:0-1");
  queue.push(jobs.make(1, {10}));
  // Two come as two go, so 18 rows wait in front of client 1: nine batches, its own, and the batch
  // that it owes, which ends within a second one.
  int batches = 0;
  bool served = false;
  for (; !served && batches < 100; ++batches) {
    for (int i = 0; i < 2; ++i) queue.push(jobs.make(next++, {10}));
    const Batch batch = queue.pop({20, 100}, 0);
    served = std::any_of(batch.pieces.begin(), batch.pieces.end(),
                         [](const Piece& piece) { return piece.job->client == 1; });
  }
  EXPECT_GE(batches, 10);
  EXPECT_LE(batches, 12);
}

TEST(BatchQueue, EqualsAreServedAsTheyCame) {
  Jobs jobs;
  BatchQueue queue;
  for (const uint64_t client : {7, 3, 9, 1}) queue.push(jobs.make(client, {10}));
  EXPECT_EQ(to_text(queue.pop({100, 100}, 0)), "7:0-1 3:0-1 9:0-1 1:0-1");
}

TEST(BatchQueue, ARowThatDoesNotFitLetsSmallerOnesFillTheBatch) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {20}));
  queue.push(jobs.make(2, {30}));
  queue.push(jobs.make(3, {10}));
  EXPECT_EQ(to_text(queue.pop({32, 100}, 0)), "1:0-1 3:0-1");
  // And is the first of the next.
  queue.push(jobs.make(4, {5}));
  EXPECT_EQ(to_text(queue.pop({32, 100}, 0)), "2:0-1");
}

TEST(BatchQueue, PriorityOneGoesFirstAndZeroIsTheMiddle) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {10}, 9));
  queue.push(jobs.make(2, {10}, 0));
  queue.push(jobs.make(3, {10}, 1));
  queue.push(jobs.make(4, {10}, 1000));
  EXPECT_EQ(to_text(queue.pop({40, 100}, 0)), "3:0-1 2:0-1 1:0-1 4:0-1");
}

TEST(BatchQueue, DifferentOutputsNeverShareABatch) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {10}));
  const JobPtr tokens = jobs.make(2, {10});
  tokens->outputs = OutputSet::kTokens;
  queue.push(tokens);
  queue.push(jobs.make(3, {10}));
  EXPECT_EQ(to_text(queue.pop({100, 100}, 0)), "1:0-1 3:0-1");
  const Batch second = queue.pop({100, 100}, 0);
  EXPECT_EQ(to_text(second), "2:0-1");
  EXPECT_EQ(second.outputs, OutputSet::kTokens);
}

TEST(BatchQueue, SweepTakesOutTheExpiredTheCancelledAndTheFailed) {
  Jobs jobs;
  BatchQueue queue;
  const JobPtr expired = jobs.make(1, {10});
  expired->deadline_ns = 100;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const JobPtr cancelled = jobs.make(2, {10});
  cancelled->cancelled = gone;
  const JobPtr failed = jobs.make(3, {10});
  failed->error = Error(ErrorCode::kInternal, "broken");
  const JobPtr fine = jobs.make(4, {10});
  fine->deadline_ns = 101;
  for (const JobPtr& job : {expired, cancelled, failed, fine}) queue.push(job);
  gone->store(true);
  EXPECT_EQ(queue.sweep(100).size(), 3U);
  EXPECT_EQ(expired->error->code(), ErrorCode::kDeadlineExceeded);
  EXPECT_NE(std::string(expired->error->what()).find("Request timeout expired"), std::string::npos);
  EXPECT_EQ(cancelled->error->code(), ErrorCode::kCancelled);
  EXPECT_EQ(failed->error->code(), ErrorCode::kInternal);
  EXPECT_EQ(queue.jobs(), 1U);
  EXPECT_EQ(to_text(queue.pop({100, 100}, 100)), "4:0-1");
}

TEST(BatchQueue, PopLeavesTheExpiredForTheSweep) {
  Jobs jobs;
  BatchQueue queue;
  const JobPtr expired = jobs.make(1, {10});
  expired->deadline_ns = 5;
  queue.push(expired);
  queue.push(jobs.make(2, {10}));
  EXPECT_EQ(to_text(queue.pop({100, 100}, 5)), "2:0-1");
  EXPECT_EQ(queue.sweep(5).size(), 1U);
  EXPECT_TRUE(queue.empty());
}

TEST(BatchQueue, TakesFirstWhatWouldRunFirst) {
  Jobs jobs;
  BatchQueue queue;
  queue.push(jobs.make(1, {10, 10}));
  queue.push(jobs.make(2, {10}, 3));
  EXPECT_EQ(queue.take_first()->client, 2U);
  EXPECT_EQ(queue.take_first()->client, 1U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.take_first(), nullptr);
}

}  // namespace
}  // namespace tamis::serve
