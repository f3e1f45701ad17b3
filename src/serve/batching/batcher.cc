#include "serve/batching/batcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "serve/batching/batch_runner.h"
#include "serve/batching/current_error.h"

namespace tamis::serve {

namespace {

int64_t tokens_of(const Piece& piece) {
  int64_t tokens = 0;
  for (size_t r = piece.begin; r < piece.end; ++r) tokens += piece.job->rows[r].sequence->size();
  return tokens;
}

}  // namespace

Batcher::Batcher(Servable& model, CoreShare& share, BatcherOptions options)
    : model_(model),
      turn_(share, options.weight),
      options_(std::move(options)),
      runner_(std::make_unique<BatchRunner>(model_, *options_.clock)),
      admission_(std::make_shared<Admission>(options_.max_queue_latency_ns, options_.budget.tokens,
                                             *options_.clock)) {
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

void Batcher::push(JobPtr job) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(job));
    queued_jobs_.fetch_add(1, std::memory_order_relaxed);
  }
  if (first) changed_.notify_one();
}

void Batcher::drain() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    woken_ = true;
  }
  changed_.notify_one();
}

int64_t Batcher::running_for_ns() const {
  const int64_t started = batch_started_ns_.load(std::memory_order_relaxed);
  return started == 0 ? 0 : options_.clock->now_ns() - started;
}

bool Batcher::may_start() const {
  if (queue_.empty()) return false;
  return draining_ || static_cast<int64_t>(queue_.jobs()) >= options_.hold_jobs;
}

// Waits while there is nothing to do; false at the end.
bool Batcher::wait_for_work() {
  while (true) {
    take_inbox();
    std::unique_lock lock(mutex_);
    if (stop_) return false;
    if (may_start()) return true;
    if (woken_) {
      woken_ = false;
      return true;
    }
    if (!inbox_.empty()) continue;
    last_end_ns_ = 0;
    if (queue_.empty()) {
      changed_.wait(lock);
    } else if (changed_.wait_for(lock, std::chrono::milliseconds(10)) == std::cv_status::timeout) {
      // Held jobs may have expired.
      return true;
    }
  }
}

// Moves new jobs into the queue.
void Batcher::take_inbox() noexcept {
  {
    const std::lock_guard lock(mutex_);
    incoming_.swap(inbox_);
  }
  for (const JobPtr& job : incoming_) {
    try {
      queue_.push(job);
    } catch (...) {
      refuse(job, current_error());
    }
  }
  incoming_.clear();
}

void Batcher::finish(const JobPtr& job) noexcept {
  job->finished = true;
  if (job->ended_ns == 0) job->ended_ns = options_.clock->now_ns();
  job->ticket.leave();
  queued_jobs_.fetch_sub(1, std::memory_order_relaxed);
  // The job and what `done` keeps alive hold each other.
  const auto done = std::exchange(job->done, nullptr);
  try {
    done(job);
  } catch (...) {
    // Whoever waits for the answer is told when `done` goes (Core's flight).
  }
}

void Batcher::refuse(const JobPtr& job, const Error& error) noexcept {
  job->error = error;
  finish(job);
}

// Averaged over about eight full batches: quick to follow, slow to jump; one that is nearly empty
// says little of what a queue would take. While the queue never empties, what lies between two
// batches (other models' turns, answers) is paid for by those who wait, so it counts.
void Batcher::count(const Batch& batch, int64_t ran, int64_t ended, bool failed) noexcept {
  if (!failed) {
    const int64_t took = last_end_ns_ == 0 ? ran : std::max<int64_t>(ended - last_end_ns_, 1);
    const double rate = static_cast<double>(batch.tokens) * 1e9 / static_cast<double>(took);
    const double before = tokens_per_second_.load(std::memory_order_relaxed);
    const double fill = std::min(
        1.0, static_cast<double>(batch.tokens) / static_cast<double>(options_.budget.tokens));
    tokens_per_second_.store(before <= 0 ? rate : before + (rate - before) * fill / 8);
  }
  last_end_ns_ = ended;
  if (!options_.report) return;
  try {
    options_.report({batch.rows, batch.tokens, ran, failed});
  } catch (...) {
    // A figure less; the answers go out.
  }
}

void Batcher::run_batch() {
  turn_.enter();
  take_inbox();  // what came while others had the cores
  const int64_t started = options_.clock->now_ns();
  Batch batch = queue_.pop(options_.budget, started);
  if (batch.pieces.empty()) {
    turn_.leave(0);
    if (!batch.no_memory) return;
    if (const JobPtr job = queue_.take_first()) refuse(job, out_of_memory());
    return;
  }
  for (const Piece& piece : batch.pieces) piece.job->ticket.take(tokens_of(piece));
  batch_started_ns_.store(started, std::memory_order_relaxed);
  const bool failed = !runner_->run(batch);
  const int64_t ended = options_.clock->now_ns();
  const int64_t ran = std::max<int64_t>(ended - started, 1);
  batch_started_ns_.store(0, std::memory_order_relaxed);
  turn_.leave(ran);
  admission_->ran();
  count(batch, ran, ended, failed);
  for (const Piece& piece : batch.pieces) {
    const JobPtr& job = piece.job;
    const bool done = job->error.has_value() || job->rows_done == job->rows.size();
    // A failed job with rows still queued is finished by the sweep.
    if (done && job->next_row == job->rows.size() && !job->finished) finish(job);
  }
}

void Batcher::step() {
  for (const JobPtr& job : queue_.sweep(options_.clock->now_ns())) finish(job);
  bool may = false;
  {
    const std::lock_guard lock(mutex_);
    may = may_start();
  }
  if (may) run_batch();
}

void Batcher::work() {
  while (wait_for_work()) {
    try {
      step();
    } catch (...) {
      if (const JobPtr job = queue_.take_first()) refuse(job, current_error());
    }
  }
  take_inbox();
  const Error unloaded(ErrorCode::kUnavailable, "the model is being unloaded");
  while (const JobPtr job = queue_.take_first()) refuse(job, unloaded);
}

}  // namespace tamis::serve
