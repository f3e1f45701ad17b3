// Runs a model's queue: one thread forms batches and runs them, without a pause while anything
// waits.
//
// Is: the owner thread, isolation of a failing row. Is not: the policy (batch_queue), admission,
// texts (core). May use: batch_queue, admission, servable, core_share.
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
#include "serve/batching/admission.h"
#include "serve/batching/batch_queue.h"
#include "serve/batching/core_share.h"
#include "serve/batching/servable.h"

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

  /// Asks for a place in the queue; the ticket goes with the job.
  [[nodiscard]] Admission::Verdict admit(const Demand& demand) {
    return admission_->admit(demand, tokens_per_second_.load(std::memory_order_relaxed));
  }

  /// Queues a job; its ticket is given back when it is done. Throws std::bad_alloc, and then does
  /// not have it.
  void push(JobPtr job);

  /// Runs what waits, whatever hold_jobs says.
  void drain();

  [[nodiscard]] int64_t queued_tokens() const { return admission_->tokens(); }
  [[nodiscard]] int64_t queued_jobs() const { return queued_jobs_.load(); }
  [[nodiscard]] const BatchBudget& budget() const { return options_.budget; }
  [[nodiscard]] double tokens_per_second() const { return tokens_per_second_.load(); }
  /// How long the batch now running has been; 0: none is.
  [[nodiscard]] int64_t running_for_ns() const;

  /// Sets the rate that admission starts with.
  void set_rate(double tokens_per_second) { tokens_per_second_.store(tokens_per_second); }

 private:
  void work();
  void step();
  void take_inbox() noexcept;
  [[nodiscard]] bool may_start() const;
  [[nodiscard]] bool wait_for_work();
  void finish(const JobPtr& job) noexcept;
  void refuse(const JobPtr& job, const Error& error) noexcept;
  void run_batch();
  void count(const Batch& batch, int64_t ran, int64_t ended, bool failed) noexcept;

  Servable& model_;
  CoreShare::Member turn_;
  BatcherOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<JobPtr> inbox_;
  std::vector<JobPtr> incoming_;  ///< the owner thread's, of what the inbox held
  bool woken_ = false;
  bool draining_ = false;
  bool stop_ = false;

  BatchQueue queue_;  ///< the owner thread's
  std::unique_ptr<BatchRunner> runner_;
  int64_t last_end_ns_ = 0;  ///< when the last batch ended; 0: the queue has been empty since
  std::shared_ptr<Admission> admission_;
  std::atomic<int64_t> queued_jobs_{0};
  std::atomic<int64_t> batch_started_ns_{0};
  std::atomic<double> tokens_per_second_{0};
  std::thread thread_;
};

}  // namespace tamis::serve
