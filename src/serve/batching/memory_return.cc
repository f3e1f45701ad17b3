#include "serve/batching/memory_return.h"

#include <malloc.h>

#include <chrono>

namespace tamis::serve {

namespace {

// Less is soon used again.
constexpr int64_t kLargeBytes = int64_t{1} << 20;
// Trimming walks every arena; the last owner of a body may be freeing it still.
constexpr std::chrono::seconds kPause(1);

}  // namespace

MemoryReturn::MemoryReturn() : thread_([this] { work(); }) {}

MemoryReturn::~MemoryReturn() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void MemoryReturn::gave(int64_t bytes) {
  if (bytes < kLargeBytes) return;
  {
    const std::lock_guard lock(mutex_);
    if (wanted_) return;
    wanted_ = true;
  }
  changed_.notify_one();
}

void MemoryReturn::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return wanted_ || stop_; });
    if (changed_.wait_for(lock, kPause, [&] { return stop_; })) return;
    wanted_ = false;
    lock.unlock();
    malloc_trim(0);
    lock.lock();
  }
}

}  // namespace tamis::serve
