// The way of a request, whatever protocol it came by: find the model, admit, tokenize, queue,
// decode, answer.
//
// Is: the one place that protocols call. Is not: parsing or printing of any dialect. May use:
// model_repository, worker_pool.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "serve/batching/answer_cache.h"
#include "serve/batching/memory_return.h"
#include "serve/batching/request.h"
#include "serve/batching/worker_pool.h"
#include "serve/core/model_repository.h"

namespace tamis::serve {

struct CoreOptions {
  int64_t default_timeout_us = 0;     ///< for requests that name none; 0: none
  int64_t stall_ns = 60'000'000'000;  ///< a batch that runs longer turns readiness off
  int64_t cache_bytes = 0;            ///< of answers that are kept; 0: none are
  bool ready_needs_all = true;        ///< not ready while a model could not be loaded
  const Clock* clock = &Clock::steady();
  BudgetLimits limits;
};

/// How a request went, for metrics and logs.
struct RequestReport {
  const Request* request = nullptr;
  const Reply* reply = nullptr;
  int64_t total_ns = 0;
};

/// Thread-safe. Repository and workers outlive it.
class Core {
 public:
  Core(ModelRepository& models, WorkerPool& workers, CoreOptions options);
  /// Waits until every request is answered.
  ~Core();
  /// Refuses what comes from now on, and waits until all else is answered.
  void close();

  /// Calls `done` once: on this thread, on request.reply_on or on a worker. Never throws but what
  /// `done` throws on this thread. Where memory is short, `done` may go without being called: what
  /// it holds must see to an answer then.
  void submit(Request request, ReplyCallback done);

  [[nodiscard]] ModelRepository& models() { return models_; }
  [[nodiscard]] WorkerPool& workers() { return workers_; }
  /// One thread for loading models, which takes seconds that texts must not wait.
  [[nodiscard]] WorkerPool& loader() { return loader_; }
  /// One thread for long texts: one of them at a time takes seconds and a hundred times its bytes,
  /// and the workers are there for others.
  [[nodiscard]] WorkerPool& long_texts() { return long_texts_; }
  /// Who tokenizes a text of so many bytes.
  [[nodiscard]] WorkerPool& workers_for(size_t text_bytes) {
    constexpr size_t kLongText = size_t{256} << 10;
    return text_bytes > kLongText ? long_texts_ : workers_;
  }
  [[nodiscard]] const Clock& clock() const { return *options_.clock; }
  [[nodiscard]] const BudgetLimits& limits() const { return options_.limits; }
  /// Gives what large requests took back to the system.
  [[nodiscard]] MemoryReturn& memory() { return memory_; }

  /// The thread that answers health, and what an event did there: bytes read or printed, numbers
  /// decoded. The largest says whether a caller can make it long.
  void set_protocol_thread() { protocol_thread_.store(std::this_thread::get_id()); }
  void note_work(int64_t steps);
  [[nodiscard]] int64_t largest_protocol_work() const { return largest_work_.load(); }

  /// Null: no answers are kept.
  [[nodiscard]] const AnswerCache* cache() const { return cache_.get(); }

  /// Requests that are not yet answered.
  [[nodiscard]] int64_t in_flight() const { return in_flight_.load(); }
  /// Readiness goes off for good; requests are still answered.
  void start_drain() { draining_.store(true); }
  [[nodiscard]] bool draining() const { return draining_.load(); }
  /// Why the server is not ready; empty if it is.
  [[nodiscard]] std::string why_not_ready();

  /// Called after each answer; set before the first submit().
  void set_observer(std::function<void(const RequestReport&)> observer) {
    observer_ = std::move(observer);
  }

 private:
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;

  void start(const FlightPtr& flight);
  void admit(Flight& flight);
  void tokenize(const FlightPtr& flight);
  /// Names the input in the error of one of several.
  [[nodiscard]] static tasks::Encoded encode_one(Flight& flight, size_t i, int64_t most_tokens);
  void tokenize_range(const FlightPtr& flight, size_t begin, size_t end);
  void chunks_done(const FlightPtr& flight, size_t chunks);
  std::shared_ptr<Job> make_job(Flight& flight);
  void enqueue(const FlightPtr& flight);
  void look_up(Flight& flight);
  void ended(const FlightPtr& flight);
  void decode_results(Flight& flight);
  void decode(const FlightPtr& flight) noexcept;
  void reply(const FlightPtr& flight) noexcept;
  void count(Flight& flight) noexcept;
  void fail_flight(const FlightPtr& flight, const Error& error) noexcept;

  ModelRepository& models_;
  WorkerPool& workers_;
  CoreOptions options_;
  std::unique_ptr<AnswerCache> cache_;
  std::function<void(const RequestReport&)> observer_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<bool> draining_{false};
  std::atomic<bool> closed_{false};
  WorkerPool loader_{1};
  WorkerPool long_texts_{1};
  MemoryReturn memory_;
  std::atomic<std::thread::id> protocol_thread_{};
  std::atomic<int64_t> largest_work_{0};
};

}  // namespace tamis::serve
