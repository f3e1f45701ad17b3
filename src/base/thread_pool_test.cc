#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tamis {
namespace {

TEST(ThreadPool, EveryIndexOnce) {
  for (int threads : {1, 2, 8}) {
    ThreadPool pool(threads);
    for (int64_t n : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
      pool.parallel_for(n, [&](int64_t i) { hits[static_cast<size_t>(i)].fetch_add(1); });
      for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(ThreadPool, RunGivesEachWorkerItsNumberOnce) {
  ThreadPool pool(4);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> seen{0};
    int total = 0;
    pool.run(3, [&](int worker, int count) {
      seen.fetch_add(1 << worker);
      if (worker == 0) total = count;
    });
    EXPECT_GE(total, 1);
    EXPECT_LE(total, 3);
    EXPECT_EQ(seen.load(), (1 << total) - 1);
  }
}

TEST(ThreadPool, FirstExceptionComesBack) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.parallel_for(10,
                                 [](int64_t i) {
                                   if (i == 5) throw std::runtime_error("five");
                                 }),
               std::runtime_error);
  std::atomic<int> after{0};
  pool.parallel_for(10, [&](int64_t) { after.fetch_add(1); });
  EXPECT_EQ(after.load(), 10);
}

TEST(ThreadPool, CallersShareTheWorkers) {
  ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.parallel_for(20, [&](int64_t i) { sum.fetch_add(i); });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 4 * 50 * 190);
}

TEST(SpinBarrier, NoThreadRunsAhead) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  SpinBarrier barrier;
  std::atomic<int> arrived{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int round = 1; round <= kRounds; ++round) {
        arrived.fetch_add(1);
        barrier.wait(kThreads);
        if (arrived.load() != round * kThreads) wrong.fetch_add(1);
        barrier.wait(kThreads);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace tamis
