#include "base/thread_pool.h"

#include <algorithm>
#include <exception>

namespace tamis {

namespace {

// A worker that finished spins this often before it parks: about 20 us, longer than the gap between
// two steps of a small model and far shorter than a scheduler tick.
constexpr int kSpins = 2000;

// Tells the core that this is a loop that waits.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::Job {
  FunctionRef<void(int, int)> body;
  int count;
  std::atomic<int> running;
  std::mutex mutex;
  std::exception_ptr error;

  void call(int worker) noexcept {
    try {
      body(worker, count);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
};

struct ThreadPool::Worker {
  std::atomic<bool> busy{false};    // claimed by a caller
  std::atomic<uint32_t> signal{0};  // bumped when a job or the end is there
  std::atomic<bool> stop{false};
  Job* job = nullptr;
  int index = 0;
  std::thread thread;
};

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
  for (auto& worker : workers_) {
    worker->thread = std::thread([this, &worker] { work(*worker); });
  }
}

ThreadPool::~ThreadPool() {
  for (auto& worker : workers_) {
    worker->stop.store(true, std::memory_order_release);
    worker->signal.fetch_add(1, std::memory_order_release);
    worker->signal.notify_one();
  }
  for (auto& worker : workers_) worker->thread.join();
}

void ThreadPool::work(Worker& worker) {
  uint32_t seen = 0;
  while (true) {
    for (int i = 0; i < kSpins; ++i) {
      if (worker.signal.load(std::memory_order_acquire) != seen) break;
      pause();
    }
    worker.signal.wait(seen, std::memory_order_acquire);
    seen = worker.signal.load(std::memory_order_acquire);
    if (worker.stop.load(std::memory_order_acquire)) return;
    Job* job = worker.job;
    job->call(worker.index);
    // Free before the last touch of job: the caller may return once running reaches 0.
    worker.busy.store(false, std::memory_order_release);
    if (job->running.fetch_sub(1, std::memory_order_acq_rel) == 1) job->running.notify_one();
  }
}

void ThreadPool::run(int at_most, FunctionRef<void(int, int)> body) {
  constexpr int kMostWorkers = 256;
  Worker* taken[kMostWorkers];
  int count = 1;
  for (auto& worker : workers_) {
    if (count >= std::min(at_most, kMostWorkers)) break;
    bool idle = false;
    if (worker->busy.compare_exchange_strong(idle, true, std::memory_order_acq_rel)) {
      taken[count++] = worker.get();
    }
  }
  Job job{body, count, count - 1, {}, nullptr};
  for (int i = 1; i < count; ++i) {
    taken[i]->job = &job;
    taken[i]->index = i;
    taken[i]->signal.fetch_add(1, std::memory_order_release);
    taken[i]->signal.notify_one();
  }
  job.call(0);
  for (int i = 0; i < kSpins && job.running.load(std::memory_order_acquire) != 0; ++i) {
    pause();
  }
  for (int left = job.running.load(std::memory_order_acquire); left != 0;
       left = job.running.load(std::memory_order_acquire)) {
    job.running.wait(left, std::memory_order_acquire);
  }
  if (job.error) std::rethrow_exception(job.error);
}

void ThreadPool::parallel_for(int64_t n, FunctionRef<void(int64_t)> body) {
  std::atomic<int64_t> next{0};
  const auto most = static_cast<int>(std::min<int64_t>(n, threads()));
  run(most, [&](int, int) {
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < n;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      body(i);
    }
  });
}

void SpinBarrier::wait(int count) {
  const uint32_t generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    return;
  }
  for (int i = 0; i < kSpins; ++i) {
    if (generation_.load(std::memory_order_acquire) != generation) return;
    pause();
  }
  generation_.wait(generation, std::memory_order_acquire);
}

}  // namespace tamis
