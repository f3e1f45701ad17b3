#include "serve/batching/worker_pool.h"

#include <system_error>

#include "base/error.h"

namespace tamis::serve {

namespace {

thread_local const WorkerPool* pool_of_thread = nullptr;

}  // namespace

bool WorkerPool::is_worker() const { return pool_of_thread == this; }

WorkerPool::WorkerPool(int threads) {
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    stop();
    fail(ErrorCode::kUnavailable, "no more than ", threads_.size(), " of ", threads,
         " threads can be started: ", error.what());
  } catch (...) {
    stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    unfinished_.fetch_add(1);
  }
  changed_.notify_one();
}

void WorkerPool::work() {
  pool_of_thread = this;
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task();
    } catch (...) {
      // Out of memory: what the task holds sees to an answer when it goes.
    }
    task = nullptr;
    unfinished_.fetch_sub(1);
  }
}

}  // namespace tamis::serve
