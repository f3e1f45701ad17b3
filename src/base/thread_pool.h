// Worker threads that a caller borrows for the length of one call.
//
// Is: a pool whose idle workers join a caller, and a barrier for those that run in step. Is not: a
// task queue; nothing outlives the call that started it. May use: nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace tamis {

/// A non-owning reference to a callable; valid while the callable is.
template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& callable)  // NOLINT: converts like std::function_ref
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Thread-safe. Several callers may run at once; each takes the workers that are idle then.
class ThreadPool {
 public:
  /// `threads` counts the calling thread too: threads - 1 workers are started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(worker, count) once on each of `count` threads at the same time, the caller being
  /// worker 0, and returns when all have returned. count is 1 plus the idle workers taken, at most
  /// `at_most`. The first exception thrown by a body is thrown here. Allocates nothing.
  void run(int at_most, FunctionRef<void(int worker, int count)> body);

  /// Calls body(i) for every i in [0, n), i handed out one by one to the caller and idle workers.
  void parallel_for(int64_t n, FunctionRef<void(int64_t i)> body);

 private:
  struct Job;
  struct Worker;
  void work(Worker& worker);

  std::vector<std::unique_ptr<Worker>> workers_;
};

/// Threads that must all arrive before any goes on. Spins for a short while, then parks.
/// Thread-safe; reusable.
class SpinBarrier {
 public:
  /// Returns when `count` threads have called it; all of them pass the same count.
  void wait(int count);

 private:
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> generation_{0};
};

}  // namespace tamis
