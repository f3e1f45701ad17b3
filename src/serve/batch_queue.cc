#include "serve/batch_queue.h"

#include <algorithm>

namespace tamis::serve {

uint32_t level_of(uint32_t priority) {
  return priority == 0 ? kDefaultLevel : std::min(priority, kLastLevel);
}

std::optional<Error> reason_to_drop(const Job& job, int64_t now_ns) {
  if (job.error) return job.error;
  if (job.cancelled && job.cancelled->load(std::memory_order_relaxed)) {
    return Error(ErrorCode::kCancelled, "the client has gone");
  }
  if (job.deadline_ns != 0 && now_ns >= job.deadline_ns) {
    return Error(ErrorCode::kDeadlineExceeded, "Request timeout expired in the queue");
  }
  return std::nullopt;
}

void BatchQueue::push(JobPtr job) {
  Level& level = levels_[level_of(job->priority)];
  Client& client = level.clients[job->client];
  if (client.jobs.empty()) {
    // One who was away is not owed the time between, nor does it owe more than a batch.
    const double batch =
        static_cast<double>(last_budget_) / static_cast<double>(level.ready.size() + 1);
    client.served = std::clamp(client.served, level.virtual_time, level.virtual_time + batch);
    wait_in(level, client);
  }
  client.jobs.push_back(std::move(job));
  ++jobs_;
}

void BatchQueue::wait_in(Level& level, Client& client) {
  client.turn = level.turns++;
  level.ready.emplace(Place(client.served, client.turn), &client);
}

bool BatchQueue::take_from(Level& level, const BatchBudget& budget, int64_t now_ns, Batch& batch) {
  // Clients whose next row does not fit this batch.
  std::vector<std::pair<Place, Client*>> passed_over;
  bool more = true;
  while (!level.ready.empty() && more) {
    const auto first = level.ready.begin();
    const auto key = first->first;
    Client& client = *first->second;
    level.ready.erase(first);
    const JobPtr job = client.jobs.front();
    const bool dropped = reason_to_drop(*job, now_ns).has_value();
    const int64_t tokens = dropped ? 0 : job->rows[job->next_row].sequence->size();
    const bool fits = batch.rows == 0 ||
                      (job->outputs == batch.outputs && batch.tokens + tokens <= budget.tokens);
    if (dropped || !fits) {
      passed_over.emplace_back(key, &client);
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
    ++batch.rows;
    const auto cost = static_cast<double>(tokens);
    level.virtual_time += cost / static_cast<double>(level.ready.size() + passed_over.size() + 1);
    client.served += cost;
    if (job->next_row == job->rows.size()) {
      client.jobs.pop_front();
      --jobs_;
    }
    if (!client.jobs.empty()) wait_in(level, client);
    more = batch.tokens < budget.tokens && batch.rows < budget.rows;
  }
  for (const auto& [key, client] : passed_over) level.ready.emplace(key, client);
  return more;
}

Batch BatchQueue::pop(const BatchBudget& budget, int64_t now_ns) {
  Batch batch;
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
        if (!reason) return false;
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

std::vector<JobPtr> BatchQueue::drain() {
  std::vector<JobPtr> all;
  for (auto& [number, level] : levels_) {
    for (auto& [id, client] : level.clients) {
      all.insert(all.end(), client.jobs.begin(), client.jobs.end());
    }
  }
  levels_.clear();
  jobs_ = 0;
  return all;
}

int64_t BatchQueue::next_deadline_ns() const {
  int64_t earliest = 0;
  for (const auto& [number, level] : levels_) {
    for (const auto& [id, client] : level.clients) {
      for (const JobPtr& job : client.jobs) {
        if (job->deadline_ns == 0) continue;
        earliest = earliest == 0 ? job->deadline_ns : std::min(earliest, job->deadline_ns);
      }
    }
  }
  return earliest;
}

}  // namespace tamis::serve
