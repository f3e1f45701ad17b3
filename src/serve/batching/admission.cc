#include "serve/batching/admission.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace tamis::serve {

namespace {

bool is_dead(const Admission::Entry& entry, int64_t now_ns) {
  const bool gone = entry.cancelled && entry.cancelled->load(std::memory_order_relaxed);
  return gone || (entry.deadline_ns != 0 && now_ns >= entry.deadline_ns);
}

}  // namespace

Admission::Admission(int64_t max_wait_ns, int64_t batch_tokens, const Clock& clock)
    : max_wait_ns_(max_wait_ns), batch_tokens_(batch_tokens), clock_(clock) {}

Admission::~Admission() = default;

// Tokens that run before the demand's last one, its own left out.
int64_t Admission::before(const Demand& demand) const {
  int64_t tokens = running_;
  for (uint32_t i = 0; i < demand.level; ++i) tokens += levels_[i].tokens;
  const Level& level = levels_[demand.level];
  const auto own = level.clients.find(demand.client);
  const int64_t queued = own == level.clients.end() ? 0 : own->second.tokens;
  const int64_t turn = queued + demand.tokens;
  for (const auto& [client, waiting] : level.clients) {
    if (client != demand.client) tokens += std::min(waiting.tokens, turn);
  }
  return tokens + queued;
}

Admission::Verdict Admission::admit(const Demand& demand, double tokens_per_second) {
  TAMIS_CHECK(demand.level < kLevels);
  Verdict verdict;
  const int64_t own = std::min(demand.tokens, batch_tokens_);
  const auto wait_of = [&](int64_t tokens) {
    const double wait = static_cast<double>(tokens + own) / tokens_per_second * 1e9;
    return static_cast<int64_t>(std::min(wait, 9e18));
  };
  const std::lock_guard lock(mutex_);
  // Nobody waits longer than for all that is there, which is the sum that is at hand.
  const int64_t all = total_.load(std::memory_order_relaxed);
  if (tokens_per_second > 0 && all > 0 && wait_of(all) > max_wait_ns_) {
    int64_t tokens = before(demand);
    const auto too_long = [&] { return tokens > 0 && wait_of(tokens) > max_wait_ns_; };
    if (too_long()) {
      drop_the_dead();
      tokens = before(demand);
    }
    if (too_long()) {
      verdict.wait_ns = wait_of(tokens);
      return verdict;
    }
  }
  auto entry = std::make_unique<Entry>();
  entry->level = demand.level;
  entry->client = demand.client;
  entry->deadline_ns = demand.deadline_ns;
  entry->cancelled = demand.cancelled;
  entry->place = entries_.size();
  if (entries_.size() == entries_.capacity()) entries_.reserve(2 * entries_.size() + 8);
  ++levels_[demand.level].clients[demand.client].entries;
  entries_.push_back(entry.get());
  add(*entry, demand.tokens);
  verdict.ticket.ledger_ = shared_from_this();
  verdict.ticket.entry_ = std::move(entry);
  return verdict;
}

// What has left counts no more although its tickets are still held. A look at all of them may take
// a twentieth of the time, however often requests are refused.
void Admission::drop_the_dead() {
  const int64_t started = clock_.now_ns();
  if (started < look_again_ns_) return;
  for (Entry* entry : entries_) {
    if (entry->dead || !is_dead(*entry, started)) continue;
    add(*entry, -entry->left);
    entry->dead = true;
  }
  constexpr int64_t kPause = 20;
  const int64_t ended = clock_.now_ns();
  look_again_ns_ = ended + (ended - started) * kPause;
}

void Admission::add(Entry& entry, int64_t tokens) noexcept {
  Level& level = levels_[entry.level];
  level.clients.find(entry.client)->second.tokens += tokens;
  entry.left += tokens;
  level.tokens += tokens;
  total_.fetch_add(tokens, std::memory_order_relaxed);
}

void Admission::ran() noexcept {
  const std::lock_guard lock(mutex_);
  total_.fetch_sub(std::exchange(running_, 0), std::memory_order_relaxed);
}

Admission::Ticket& Admission::Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  leave();
  ledger_ = std::move(other.ledger_);
  entry_ = std::move(other.entry_);
  return *this;
}

void Admission::Ticket::correct(int64_t tokens) noexcept {
  if (!entry_) return;
  const std::lock_guard lock(ledger_->mutex_);
  if (!entry_->dead) ledger_->add(*entry_, tokens - entry_->left);
}

void Admission::Ticket::take(int64_t tokens) noexcept {
  if (!entry_) return;
  const std::lock_guard lock(ledger_->mutex_);
  ledger_->add(*entry_, -std::min(tokens, entry_->left));
  ledger_->running_ += tokens;
  ledger_->total_.fetch_add(tokens, std::memory_order_relaxed);
}

void Admission::Ticket::leave() noexcept {
  if (!entry_) return;
  {
    const std::lock_guard lock(ledger_->mutex_);
    ledger_->add(*entry_, -entry_->left);
    auto& entries = ledger_->entries_;
    entries.back()->place = entry_->place;
    entries[entry_->place] = entries.back();
    entries.pop_back();
    auto& clients = ledger_->levels_[entry_->level].clients;
    const auto client = clients.find(entry_->client);
    if (--client->second.entries == 0) clients.erase(client);
  }
  entry_.reset();
  ledger_.reset();
}

}  // namespace tamis::serve
