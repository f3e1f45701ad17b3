#include "serve/batching/batcher.h"

#include <gtest/gtest.h>

#include <future>

#include "serve/batching/test_servable.h"

namespace tamis::serve {
namespace {

// A job of rows of four tokens, each with its first token, and what came of it.
struct Sent {
  std::vector<std::unique_ptr<tasks::Sequence>> sequences;
  std::promise<JobPtr> promise;
  std::future<JobPtr> ended = promise.get_future();

  JobPtr wait() { return ended.get(); }
};

class BatcherTest : public ::testing::Test {
 protected:
  std::unique_ptr<Batcher> make(BatcherOptions options = {}) {
    options.clock = &clock_;
    return std::make_unique<Batcher>(model_, share_, options);
  }

  std::unique_ptr<Sent> send(Batcher& batcher, const std::vector<int32_t>& firsts,
                             uint64_t client = 1, int64_t deadline_ns = 0,
                             CancelFlag cancelled = nullptr) {
    auto sent = std::make_unique<Sent>();
    auto job = std::make_shared<Job>();
    for (const int32_t first : firsts) {
      sent->sequences.push_back(std::make_unique<tasks::Sequence>());
      sent->sequences.back()->ids = {first, 1, 2, 3};
      job->rows.push_back({sent->sequences.back().get(), {}});
      job->tokens += 4;
    }
    job->client = client;
    job->deadline_ns = deadline_ns;
    job->cancelled = std::move(cancelled);
    job->done = [to = sent.get()](JobPtr ended) { to->promise.set_value(std::move(ended)); };
    Demand demand;
    demand.tokens = job->tokens;
    demand.client = client;
    job->ticket = batcher.admit(demand).ticket;
    EXPECT_TRUE(job->ticket);
    batcher.push(std::move(job));
    return sent;
  }

  static std::vector<float> values(const JobPtr& job) {
    return job->error ? std::vector<float>() : job->results.at(0).values;
  }

  ManualClock clock_;
  TestServable model_;
  CoreShare share_;
};

TEST_F(BatcherTest, AnswersARequestOfSeveralRows) {
  const auto batcher = make();
  const auto sent = send(*batcher, {7, 8});
  EXPECT_EQ(values(sent->wait()), (std::vector<float>{7, 4, 8, 4}));
  EXPECT_EQ(batcher->queued_tokens(), 0);
  EXPECT_EQ(batcher->queued_jobs(), 0);
}

TEST_F(BatcherTest, SequencesThatAreTheSameRunOnce) {
  const auto batcher = make();
  model_.close();
  const auto first = send(*batcher, {1}, 1);
  model_.wait_until_running();
  const auto second = send(*batcher, {2, 3, 2}, 2);
  const auto third = send(*batcher, {3, 2}, 3);
  model_.open();
  EXPECT_EQ(values(first->wait()), (std::vector<float>{1, 4}));
  EXPECT_EQ(values(second->wait()), (std::vector<float>{2, 4, 3, 4, 2, 4}));
  EXPECT_EQ(values(third->wait()), (std::vector<float>{3, 4, 2, 4}));
  const std::vector<std::vector<int32_t>> batches = model_.batches();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[1].size(), 2U) << "2 and 3";
}

TEST_F(BatcherTest, WhatComesDuringABatchSharesTheNext) {
  const auto batcher = make();
  model_.close();
  const auto first = send(*batcher, {1}, 1);
  model_.wait_until_running();
  const auto second = send(*batcher, {2}, 2);
  const auto third = send(*batcher, {3}, 3);
  model_.open();
  first->wait();
  second->wait();
  third->wait();
  EXPECT_EQ(model_.batches(), (std::vector<std::vector<int32_t>>{{1}, {2, 3}}));
}

TEST_F(BatcherTest, HoldMakesBatchesDeterministic) {
  BatcherOptions options;
  options.hold_jobs = 3;
  const auto batcher = make(options);
  const auto a = send(*batcher, {1}, 1);
  const auto b = send(*batcher, {2}, 2);
  const auto c = send(*batcher, {3}, 3);
  a->wait();
  b->wait();
  c->wait();
  EXPECT_EQ(model_.batches(), (std::vector<std::vector<int32_t>>{{1, 2, 3}}));
}

TEST_F(BatcherTest, DrainRunsWhatIsHeld) {
  BatcherOptions options;
  options.hold_jobs = 10;
  const auto batcher = make(options);
  const auto sent = send(*batcher, {5});
  batcher->drain();
  EXPECT_EQ(values(sent->wait()), (std::vector<float>{5, 4}));
}

TEST_F(BatcherTest, AFailingRowFailsOnlyItsOwnRequest) {
  BatcherOptions options;
  options.hold_jobs = 3;
  const auto batcher = make(options);
  const auto a = send(*batcher, {1}, 1);
  const auto b = send(*batcher, {TestServable::kPoison}, 2);
  const auto c = send(*batcher, {3}, 3);
  EXPECT_EQ(values(a->wait()), (std::vector<float>{1, 4}));
  EXPECT_EQ(values(c->wait()), (std::vector<float>{3, 4}));
  const JobPtr failed = b->wait();
  ASSERT_TRUE(failed->error);
  EXPECT_STREQ(failed->error->what(), "poison");
  batcher->drain();
  // And the batcher lives on.
  EXPECT_EQ(values(send(*batcher, {4})->wait()), (std::vector<float>{4, 4}));
}

TEST_F(BatcherTest, ALargeRequestIsPutTogetherFromSeveralBatches) {
  BatcherOptions options;
  options.budget.tokens = 8;
  const auto batcher = make(options);
  const auto sent = send(*batcher, {1, 2, 3, 4, 5});
  EXPECT_EQ(values(sent->wait()), (std::vector<float>{1, 4, 2, 4, 3, 4, 4, 4, 5, 4}));
  EXPECT_EQ(model_.batches().size(), 3U);
}

TEST_F(BatcherTest, AnExpiredRequestLeavesTheQueueUnrun) {
  const auto batcher = make();
  model_.close();
  const auto first = send(*batcher, {1}, 1);
  model_.wait_until_running();
  const auto late = send(*batcher, {2}, 2, 1000);
  clock_.advance_ns(1000);
  model_.open();
  first->wait();
  const JobPtr job = late->wait();
  ASSERT_TRUE(job->error);
  EXPECT_EQ(job->error->code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(model_.batches().size(), 1U);
}

TEST_F(BatcherTest, ACancelledRequestLeavesTheQueueUnrun) {
  const auto batcher = make();
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  model_.close();
  const auto first = send(*batcher, {1}, 1);
  model_.wait_until_running();
  const auto second = send(*batcher, {2}, 2, 0, gone);
  gone->store(true);
  model_.open();
  first->wait();
  EXPECT_EQ(second->wait()->error->code(), ErrorCode::kCancelled);
  EXPECT_EQ(model_.batches().size(), 1U);
}

TEST_F(BatcherTest, WhatRunsAndWhatWaitsCountsUntilItIsDone) {
  BatcherOptions options;
  options.budget.tokens = 8;
  const auto batcher = make(options);
  model_.close();
  const auto sent = send(*batcher, {1, 2, 3});
  model_.wait_until_running();
  // Two rows run, one waits.
  EXPECT_EQ(batcher->queued_tokens(), 12);
  model_.open();
  sent->wait();
  EXPECT_EQ(batcher->queued_tokens(), 0);
}

TEST_F(BatcherTest, TimeBetweenBatchesThatFollowEachOtherCountsIntoTheRate) {
  BatcherOptions options;
  options.budget.tokens = 8;
  options.report = [this](const BatchReport&) { clock_.advance_ns(40); };
  const auto batcher = make(options);
  model_.close();
  const auto first = send(*batcher, {1}, 1);
  model_.wait_until_running();
  const auto second = send(*batcher, {2}, 2);
  clock_.advance_ns(10);
  model_.open();
  first->wait();
  second->wait();
  // 4 tokens in 10 ns, then 4 in the 40 ns until the second batch's end: half full, the second
  // moves the average by half an eighth.
  const double first_rate = 4e9 / 10;
  EXPECT_DOUBLE_EQ(batcher->tokens_per_second(), first_rate + (4e9 / 40 - first_rate) / 16);
}

TEST_F(BatcherTest, TellsHowLongABatchHasRun) {
  const auto batcher = make();
  clock_.advance_ns(5);  // 0 stands for none
  EXPECT_EQ(batcher->running_for_ns(), 0);
  model_.close();
  const auto sent = send(*batcher, {1});
  model_.wait_until_running();
  clock_.advance_ns(77);
  EXPECT_EQ(batcher->running_for_ns(), 77);
  model_.open();
  sent->wait();
}

TEST_F(BatcherTest, EndingAnswersWhatStillWaits) {
  BatcherOptions options;
  options.hold_jobs = 10;
  auto batcher = make(options);
  const auto sent = send(*batcher, {5});
  batcher.reset();
  EXPECT_EQ(sent->wait()->error->code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace tamis::serve
