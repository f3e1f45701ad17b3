// Runs a model's queue: one thread forms batches and runs them, without a pause while anything
// waits.
//
// Is: the owner thread, admission in tokens, isolation of a failing row. Is not: the policy
// (batch_queue), texts (core). May use: batch_queue, servable, core_share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "serve/batch_queue.h"
#include "serve/core_share.h"
#include "serve/servable.h"

namespace tamis::serve {

class BatchRunner;

/// What was run, for the metrics. Called on the batcher's thread.
struct BatchReport {
  int64_t rows = 0;
  int64_t tokens = 0;
  int64_t run_ns = 0;
  bool failed = false;
};

struct BatcherOptions {
  BatchBudget budget;
  /// Longest wait in the queue that admission foresees; what would wait longer is refused.
  int64_t max_queue_latency_ns = 1'000'000'000;
  /// Starts a batch only once so many jobs wait (or the batcher drains): makes batches
  /// deterministic in tests.
  int64_t hold_jobs = 0;
  double weight = 1;
  const Clock* clock = &Clock::steady();
  std::function<void(const BatchReport&)> report;
};

/// Thread-safe, except construction and destruction.
class Batcher {
 public:
  /// The model and the share outlive it.
  Batcher(Servable& model, CoreShare& share, BatcherOptions options);
  /// Waiting jobs end with kUnavailable.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// Reserves the queue for so many tokens; false: they would wait too long. What is admitted is
  /// given back by push() (whose job counts as it is) or release().
  [[nodiscard]] bool admit(int64_t tokens);
  void release(int64_t tokens);
  /// Corrects an estimate: as release(estimate), then an admission that cannot be refused.
  void replace(int64_t estimate, int64_t tokens);

  /// Queues an admitted job; its tokens are released when it is done.
  void push(JobPtr job);

  /// Makes the batcher look at its queue: a job was cancelled.
  void wake();

  /// Runs what waits, whatever hold_jobs says.
  void drain();

  /// How long the tokens now queued and running will take, from the rate of late.
  [[nodiscard]] int64_t expected_wait_ns() const;
  [[nodiscard]] int64_t queued_tokens() const { return queued_tokens_.load(); }
  [[nodiscard]] int64_t queued_jobs() const { return queued_jobs_.load(); }
  [[nodiscard]] const BatchBudget& budget() const { return options_.budget; }
  [[nodiscard]] double tokens_per_second() const { return tokens_per_second_.load(); }
  /// How long the batch now running has been; 0: none is.
  [[nodiscard]] int64_t running_for_ns() const;

  /// Sets the rate that admission starts with.
  void set_rate(double tokens_per_second) { tokens_per_second_.store(tokens_per_second); }

 private:
  void work();
  void take_inbox();
  [[nodiscard]] bool may_start() const;
  void wait_for_work();
  void finish(const JobPtr& job);
  void run_batch();

  Servable& model_;
  CoreShare::Member turn_;
  BatcherOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<JobPtr> inbox_;
  bool woken_ = false;
  bool draining_ = false;
  bool stop_ = false;

  BatchQueue queue_;  ///< the owner thread's
  std::unique_ptr<BatchRunner> runner_;
  int64_t last_end_ns_ = 0;  ///< when the last batch ended; 0: the queue has been empty since
  std::atomic<int64_t> queued_tokens_{0};
  std::atomic<int64_t> queued_jobs_{0};
  std::atomic<int64_t> batch_started_ns_{0};
  std::atomic<double> tokens_per_second_{0};
  std::thread thread_;
};

}  // namespace tamis::serve
