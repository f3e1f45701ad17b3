// Threads for work that must not hold up a protocol's thread: tokenizing, decoding, loading.
//
// Is: a queue of tasks. Is not: the engine's pool (base/thread_pool.h), which computes. May use:
// request.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/batching/request.h"

namespace tamis::serve {

/// Thread-safe. The destructor stops.
class WorkerPool final : public Executor {
 public:
  /// Throws Error kUnavailable where the system has no more threads.
  explicit WorkerPool(int threads);
  ~WorkerPool() override;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> task) override;
  /// Runs what is queued and joins the threads; what is posted from then on never runs.
  void stop();
  /// Tasks that are queued or run.
  [[nodiscard]] int64_t unfinished() const { return unfinished_.load(); }
  /// True on one of its threads.
  [[nodiscard]] bool is_worker() const;
  [[nodiscard]] int threads() const { return static_cast<int>(threads_.size()); }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::atomic<int64_t> unfinished_{0};
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tamis::serve
