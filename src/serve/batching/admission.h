// What a request would wait under the queue's own order, and whether that is too long.
//
// Is: a ledger of the tokens that are admitted and not yet run, by level and client. Is not: the
// order itself (batch_queue). May use: request.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "serve/batching/request.h"

namespace tamis::serve {

/// What asks to be admitted.
struct Demand {
  int64_t tokens = 0;
  uint32_t level = 0;  ///< of the queue: less is served first
  uint64_t client = 0;
  int64_t deadline_ns = 0;  ///< 0: none
  CancelFlag cancelled = nullptr;
};

/// Thread-safe. Made by make_shared: its tickets hold on to it.
///
/// A request waits for the batch that runs, for every level before its own, for what its own client
/// has queued before it, and for each other client of its level: of that one only as many tokens as
/// it has itself, because the queue serves clients in turns. What was cancelled or has expired
/// counts no more, whether or not the queue has looked at it since.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  static constexpr size_t kLevels = 16;

  struct Entry {
    uint32_t level = 0;
    uint64_t client = 0;
    int64_t left = 0;  ///< tokens that no batch has taken
    int64_t deadline_ns = 0;
    CancelFlag cancelled = nullptr;
    size_t place = 0;   ///< among the entries
    bool dead = false;  ///< counts no more
  };

  /// A demand's place in the ledger; leaves it when it goes. Not thread-safe.
  class Ticket {
   public:
    Ticket() = default;
    ~Ticket() { leave(); }
    Ticket(Ticket&& other) noexcept = default;
    Ticket& operator=(Ticket&& other) noexcept;
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    [[nodiscard]] explicit operator bool() const { return entry_ != nullptr; }
    /// Replaces the estimate that was admitted.
    void correct(int64_t tokens) noexcept;
    /// So many tokens go into the batch that runs next.
    void take(int64_t tokens) noexcept;
    void leave() noexcept;

   private:
    friend class Admission;
    std::shared_ptr<Admission> ledger_;
    std::unique_ptr<Entry> entry_;
  };

  /// `max_wait_ns`: what would wait longer is refused. `batch_tokens`: most tokens of a run.
  Admission(int64_t max_wait_ns, int64_t batch_tokens, const Clock& clock);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  struct Verdict {
    Ticket ticket;        ///< empty: refused
    int64_t wait_ns = 0;  ///< what it would wait, where it was refused
  };

  /// At `tokens_per_second` (0: unknown, all are admitted). A demand that nothing goes before is
  /// always admitted. Of its own tokens one batch counts: the rest is work, not waiting.
  [[nodiscard]] Verdict admit(const Demand& demand, double tokens_per_second);

  /// The batch that was taken has run.
  void ran() noexcept;
  /// Tokens admitted and not yet run.
  [[nodiscard]] int64_t tokens() const { return total_.load(std::memory_order_relaxed); }

 private:
  struct Client {
    int64_t tokens = 0;
    int64_t entries = 0;
  };
  struct Level {
    std::unordered_map<uint64_t, Client> clients;
    int64_t tokens = 0;
  };

  [[nodiscard]] int64_t before(const Demand& demand) const;
  void drop_the_dead();
  void add(Entry& entry, int64_t tokens) noexcept;

  const int64_t max_wait_ns_;
  const int64_t batch_tokens_;
  const Clock& clock_;
  std::mutex mutex_;
  std::array<Level, kLevels> levels_;
  std::vector<Entry*> entries_;
  int64_t running_ = 0;
  int64_t look_again_ns_ = 0;
  std::atomic<int64_t> total_{0};
};

}  // namespace tamis::serve
