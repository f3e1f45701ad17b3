#include "serve/batcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "serve/batch_runner.h"

namespace tamis::serve {

Batcher::Batcher(Servable& model, CoreShare& share, BatcherOptions options)
    : model_(model),
      turn_(share, options.weight),
      options_(std::move(options)),
      runner_(std::make_unique<BatchRunner>(model_, *options_.clock)) {
  thread_ = std::thread([this] { work(); });
}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Batcher::admit(int64_t tokens) {
  const double rate = tokens_per_second_.load(std::memory_order_relaxed);
  const int64_t before = queued_tokens_.fetch_add(tokens, std::memory_order_relaxed);
  // An empty queue takes anything: a request longer than the limit could never be answered.
  if (before == 0 || rate <= 0) return true;
  const double wait_ns = static_cast<double>(before + tokens) / rate * 1e9;
  if (wait_ns <= static_cast<double>(options_.max_queue_latency_ns)) return true;
  queued_tokens_.fetch_sub(tokens, std::memory_order_relaxed);
  return false;
}

void Batcher::release(int64_t tokens) {
  queued_tokens_.fetch_sub(tokens, std::memory_order_relaxed);
}

void Batcher::replace(int64_t estimate, int64_t tokens) {
  queued_tokens_.fetch_add(tokens - estimate, std::memory_order_relaxed);
}

void Batcher::push(JobPtr job) {
  queued_jobs_.fetch_add(1, std::memory_order_relaxed);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(job));
  }
  if (first) changed_.notify_one();
}

void Batcher::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Batcher::drain() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    woken_ = true;
  }
  changed_.notify_one();
}

int64_t Batcher::expected_wait_ns() const {
  const double rate = tokens_per_second_.load(std::memory_order_relaxed);
  if (rate <= 0) return 0;
  return static_cast<int64_t>(static_cast<double>(queued_tokens_.load()) / rate * 1e9);
}

int64_t Batcher::running_for_ns() const {
  const int64_t started = batch_started_ns_.load(std::memory_order_relaxed);
  return started == 0 ? 0 : options_.clock->now_ns() - started;
}

bool Batcher::may_start() const {
  if (queue_.empty()) return false;
  return draining_ || static_cast<int64_t>(queue_.jobs()) >= options_.hold_jobs;
}

// Moves new jobs into the queue; waits while there is nothing to do.
void Batcher::wait_for_work() {
  std::unique_lock lock(mutex_);
  while (true) {
    for (JobPtr& job : inbox_) queue_.push(std::move(job));
    inbox_.clear();
    if (stop_ || may_start()) return;
    if (woken_) {
      woken_ = false;
      return;
    }
    last_end_ns_ = 0;
    if (queue_.empty()) {
      changed_.wait(lock);
    } else if (changed_.wait_for(lock, std::chrono::milliseconds(10)) == std::cv_status::timeout) {
      // Held jobs may have expired.
      return;
    }
  }
}

void Batcher::take_inbox() {
  const std::lock_guard lock(mutex_);
  for (JobPtr& job : inbox_) queue_.push(std::move(job));
  inbox_.clear();
}

void Batcher::finish(const JobPtr& job) {
  job->finished = true;
  if (job->ended_ns == 0) job->ended_ns = options_.clock->now_ns();
  queued_tokens_.fetch_sub(job->tokens, std::memory_order_relaxed);
  queued_jobs_.fetch_sub(1, std::memory_order_relaxed);
  // The job and what `done` keeps alive hold each other.
  const auto done = std::exchange(job->done, nullptr);
  done(job);
}

void Batcher::run_batch() {
  turn_.enter();
  take_inbox();  // what came while others had the cores
  const int64_t started = options_.clock->now_ns();
  Batch batch = queue_.pop(options_.budget, started);
  if (batch.pieces.empty()) {
    turn_.leave(0);
    return;
  }
  batch_started_ns_.store(started, std::memory_order_relaxed);
  const bool failed = !runner_->run(batch);
  const int64_t ended = options_.clock->now_ns();
  const int64_t ran = std::max<int64_t>(ended - started, 1);
  batch_started_ns_.store(0, std::memory_order_relaxed);
  turn_.leave(ran);
  if (!failed) {
    // Averaged over about eight full batches: quick to follow, slow to jump; one that is nearly
    // empty says little of what a queue would take. While the queue never
    // empties, what lies between two batches (other models' turns, answers) is paid for by those
    // who wait, so it counts.
    const int64_t took = last_end_ns_ == 0 ? ran : std::max<int64_t>(ended - last_end_ns_, 1);
    const double rate = static_cast<double>(batch.tokens) * 1e9 / static_cast<double>(took);
    const double before = tokens_per_second_.load(std::memory_order_relaxed);
    const double fill = std::min(
        1.0, static_cast<double>(batch.tokens) / static_cast<double>(options_.budget.tokens));
    tokens_per_second_.store(before <= 0 ? rate : before + (rate - before) * fill / 8);
  }
  last_end_ns_ = ended;
  if (options_.report) options_.report({batch.rows, batch.tokens, ran, failed});
  for (const Piece& piece : batch.pieces) {
    const JobPtr& job = piece.job;
    const bool done = job->error.has_value() || job->rows_done == job->rows.size();
    // A failed job with rows still queued is finished by the sweep.
    if (done && job->next_row == job->rows.size() && !job->finished) finish(job);
  }
}

void Batcher::work() {
  while (true) {
    wait_for_work();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) break;
    }
    for (const JobPtr& job : queue_.sweep(options_.clock->now_ns())) finish(job);
    bool may = false;
    {
      const std::lock_guard lock(mutex_);
      may = may_start();
    }
    if (may) run_batch();
  }
  take_inbox();
  for (const JobPtr& job : queue_.drain()) {
    job->error = Error(ErrorCode::kUnavailable, "the model is being unloaded");
    finish(job);
  }
}

}  // namespace tamis::serve
