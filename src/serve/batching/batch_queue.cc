#include "serve/batching/batch_queue.h"

#include <algorithm>
#include <new>

namespace tamis::serve {

uint32_t level_of(uint32_t priority) {
  return priority == 0 ? kDefaultLevel : std::min(priority, kLastLevel);
}

namespace {

// Copies of these allocate nothing.
const Error kGone(ErrorCode::kCancelled, "the client has gone");
const Error kExpired(ErrorCode::kDeadlineExceeded, "Request timeout expired in the queue");

// False: there is no memory for one more.
template <typename T>
bool make_room(std::vector<T>& items) noexcept {
  try {
    if (items.size() == items.capacity()) items.reserve(2 * items.size() + 8);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

std::optional<Error> reason_to_drop(const Job& job, int64_t now_ns) {
  if (job.error) return job.error;
  if (job.cancelled && job.cancelled->load(std::memory_order_relaxed)) return kGone;
  if (job.deadline_ns != 0 && now_ns >= job.deadline_ns) return kExpired;
  return std::nullopt;
}

void BatchQueue::push(const JobPtr& job) {
  Level& level = levels_[level_of(job->priority)];
  Client& client = level.clients[job->client];
  const bool first = client.jobs.empty();
  client.jobs.push_back(job);
  if (first) {
    // One who was away is not owed the time between, nor does it owe more than a batch.
    const double batch =
        static_cast<double>(last_budget_) / static_cast<double>(level.ready.size() + 1);
    client.served = std::clamp(client.served, level.virtual_time, level.virtual_time + batch);
    client.turn = level.turns++;
    try {
      level.ready.emplace(Place(client.served, client.turn), &client);
    } catch (...) {
      client.jobs.pop_back();
      throw;
    }
  }
  ++jobs_;
}

void BatchQueue::wait_in(Level& level, Client& client, Ready::node_type node) {
  client.turn = level.turns++;
  node.key() = Place(client.served, client.turn);
  level.ready.insert(std::move(node));
}

bool BatchQueue::take_from(Level& level, const BatchBudget& budget, int64_t now_ns, Batch& batch) {
  // Clients whose next row does not fit this batch.
  std::vector<Ready::node_type> passed_over;
  bool more = true;
  while (!level.ready.empty() && more) {
    if (!make_room(batch.pieces) || !make_room(passed_over)) {
      batch.no_memory = true;
      more = false;
      break;
    }
    Ready::node_type node = level.ready.extract(level.ready.begin());
    Client& client = *node.mapped();
    const JobPtr job = client.jobs.front();
    const bool dropped = reason_to_drop(*job, now_ns).has_value();
    const int64_t tokens = dropped ? 0 : job->rows[job->next_row].sequence->size();
    const bool fits = batch.rows == 0 ||
                      (job->outputs == batch.outputs && batch.cost.with(tokens) <= budget.tokens);
    if (dropped || !fits) {
      passed_over.push_back(std::move(node));
      // Looking further than this for a row that fits costs more than it gains.
      constexpr size_t kLookAhead = 64;
      more = passed_over.size() < kLookAhead || dropped;
      continue;
    }
    if (batch.rows == 0) batch.outputs = job->outputs;
    if (batch.pieces.empty() || batch.pieces.back().job != job) {
      batch.pieces.push_back({job, job->next_row, job->next_row});
    }
    batch.pieces.back().end = ++job->next_row;
    batch.tokens += tokens;
    batch.cost.add(tokens);
    ++batch.rows;
    const auto cost = static_cast<double>(tokens);
    level.virtual_time += cost / static_cast<double>(level.ready.size() + passed_over.size() + 1);
    client.served += cost;
    if (job->next_row == job->rows.size()) {
      client.jobs.pop_front();
      --jobs_;
    }
    if (!client.jobs.empty()) wait_in(level, client, std::move(node));
    more = batch.cost.value() < budget.tokens && batch.rows < budget.rows;
  }
  for (Ready::node_type& node : passed_over) level.ready.insert(std::move(node));
  return more;
}

Batch BatchQueue::pop(const BatchBudget& budget, int64_t now_ns) {
  Batch batch;
  batch.cost.padded = budget.padded;
  last_budget_ = budget.tokens;
  for (auto& [number, level] : levels_) {
    if (!take_from(level, budget, now_ns, batch)) break;
  }
  return batch;
}

std::vector<JobPtr> BatchQueue::sweep(int64_t now_ns) {
  std::vector<JobPtr> dropped;
  for (auto& [number, level] : levels_) {
    for (auto& [id, client] : level.clients) {
      const size_t before = client.jobs.size();
      std::erase_if(client.jobs, [&](const JobPtr& job) {
        std::optional<Error> reason = reason_to_drop(*job, now_ns);
        if (!reason || !make_room(dropped)) return false;
        job->error = std::move(reason);
        dropped.push_back(job);
        return true;
      });
      jobs_ -= before - client.jobs.size();
      if (before != 0 && client.jobs.empty()) level.ready.erase({client.served, client.turn});
    }
  }
  forget_idle_clients();
  return dropped;
}

// A client that waits for nothing is remembered until all others have caught up with it.
void BatchQueue::forget_idle_clients() {
  for (auto& [number, level] : levels_) {
    const double now = level.virtual_time;
    const bool idle = level.ready.empty();
    std::erase_if(level.clients, [&](const auto& item) {
      return item.second.jobs.empty() && (idle || item.second.served <= now);
    });
  }
}

JobPtr BatchQueue::take_first() noexcept {
  for (auto& [number, level] : levels_) {
    if (level.ready.empty()) continue;
    Ready::node_type node = level.ready.extract(level.ready.begin());
    Client& client = *node.mapped();
    JobPtr job = std::move(client.jobs.front());
    client.jobs.pop_front();
    --jobs_;
    if (!client.jobs.empty()) wait_in(level, client, std::move(node));
    return job;
  }
  return nullptr;
}

}  // namespace tamis::serve
