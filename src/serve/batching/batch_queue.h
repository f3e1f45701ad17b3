// Which rows run next: priorities, fairness between clients, deadlines, a token budget.
//
// Is: the policy, as plain data structures without threads or time of its own. Is not: running
// anything (batcher). May use: job.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "engine/batch_builder.h"
#include "serve/batching/job.h"

namespace tamis::serve {

/// Rows [begin, end) of a job.
struct Piece {
  JobPtr job;
  size_t begin = 0;
  size_t end = 0;
};

/// What one run carries.
struct Batch {
  std::vector<Piece> pieces;
  OutputSet outputs = OutputSet::kTask;
  int64_t tokens = 0;
  int64_t rows = 0;
  bool no_memory = false;  ///< it would have taken more
  engine::BatchCost cost;  ///< what counts against the budget
};

struct BatchBudget {
  int64_t tokens = 2048;  ///< as the engine counts them (BatchCost); a single row may be longer
  int64_t rows = 4096;
  bool padded = false;  ///< EngineInfo::padded
};

/// Not thread-safe: one thread owns it.
///
/// A row is taken from the highest priority that waits; within it from the client that has been
/// served the fewest tokens, of equals from the one that came first; within a client in order of
/// arrival. A large request is thus served row by row beside others', and never all before them.
/// Who was served and comes back waits for at most a batch of others longer than who is new, so
/// that what admission promised holds. A row that
/// does not fit the rest of the budget lets smaller ones of other clients go ahead in this batch
/// and is the first of the next.
///
/// push() alone needs memory that may not be there, and then leaves the queue as it was; a batch
/// for which there is none ends early.
class BatchQueue {
 public:
  void push(const JobPtr& job);

  /// Takes the next batch; empty if nothing waits, or if there is no memory for a single row
  /// (Batch::no_memory). Jobs found expired or cancelled meanwhile are left for sweep().
  [[nodiscard]] Batch pop(const BatchBudget& budget, int64_t now_ns);

  /// Takes out every job that is expired, cancelled or has failed, with its error set; where there
  /// is no memory to name them, the others the next time.
  [[nodiscard]] std::vector<JobPtr> sweep(int64_t now_ns);

  /// Takes out the job whose row would be the next; null if nothing waits.
  [[nodiscard]] JobPtr take_first() noexcept;

  [[nodiscard]] size_t jobs() const { return jobs_; }
  [[nodiscard]] bool empty() const { return jobs_ == 0; }

 private:
  struct Client {
    std::deque<JobPtr> jobs;
    double served = 0;  ///< tokens, in the level's virtual time
    uint64_t turn = 0;  ///< its place among those with as many
  };
  using Place = std::pair<double, uint64_t>;
  using Ready = std::map<Place, Client*>;
  struct Level {
    std::unordered_map<uint64_t, Client> clients;
    /// Clients with waiting jobs by (served, turn).
    Ready ready;
    /// Tokens that each waiting client would have had if all were served at once.
    double virtual_time = 0;
    uint64_t turns = 0;
  };

  /// Puts a client whose node was taken out of `ready` back at the end of those with as many.
  static void wait_in(Level& level, Client& client, Ready::node_type node);

  /// Takes rows of one level; true if the batch may take more.
  bool take_from(Level& level, const BatchBudget& budget, int64_t now_ns, Batch& batch);
  void forget_idle_clients();

  std::map<uint32_t, Level> levels_;
  size_t jobs_ = 0;
  int64_t last_budget_ = 0;  ///< tokens
};

/// The error of a job that must not run any more; nothing if it may.
[[nodiscard]] std::optional<Error> reason_to_drop(const Job& job, int64_t now_ns);

/// The queue level of a request's priority: 1 is served first, 0 stands for kDefaultLevel, and
/// what is beyond the last level counts as the last.
inline constexpr uint32_t kDefaultLevel = 5;
inline constexpr uint32_t kLastLevel = 10;
[[nodiscard]] uint32_t level_of(uint32_t priority);

}  // namespace tamis::serve
