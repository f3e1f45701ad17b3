// What sequences were answered before, so that they need not run again.
//
// Is: rows of outputs by model version, set of outputs and exact tokens; decoding, which options
// change, is done anew. Is not: for engines (core asks it). May use: job, servable.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "serve/batching/job.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

/// The rows that one sequence has in each output of a set.
struct CachedRows {
  std::vector<std::vector<float>> outputs;
};
using CachedRowsPtr = std::shared_ptr<const CachedRows>;

/// How the cache stands.
struct CacheCounts {
  uint64_t hits = 0;
  uint64_t misses = 0;
  int64_t entries = 0;
  int64_t bytes = 0;
};

/// Keeps what was used last. Thread-safe.
class AnswerCache {
 public:
  /// All entries together take at most `max_bytes`, keys and places included; none more than an
  /// eighth of that.
  explicit AnswerCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  /// All that an answer depends on, as bytes. `version`: ModelVersion::serial().
  [[nodiscard]] static std::string key_of(uint64_t version, OutputSet set, const RowRef& row);

  /// Null: not there. Counts.
  [[nodiscard]] CachedRowsPtr find(std::string_view key);
  void add(std::string key, CachedRowsPtr rows);
  [[nodiscard]] CacheCounts counts() const;

 private:
  struct Entry {
    std::string key;
    CachedRowsPtr rows;
    int64_t bytes = 0;
  };
  using Order = std::list<Entry>;  ///< used last first

  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  Order order_;
  std::unordered_map<std::string_view, Order::iterator> places_;  ///< keys borrow the entries'
  CacheCounts counts_;
};

/// A job's rows that are in the cache, taken out of what has to run, and put back among its
/// results. One for each job; not thread-safe.
class CachedJob {
 public:
  /// Looks each row up; those that are there leave `job.rows`.
  CachedJob(AnswerCache& cache, uint64_t version, Job& job);

  [[nodiscard]] int64_t hits() const { return hits_; }
  /// Once what was left has run: keeps it, and makes job.results and job.first_row those of all
  /// rows. `infos`: of the job's outputs. Not for a job with an error.
  void finish(Job& job, const std::vector<OutputInfo>& infos);

 private:
  struct Row {
    std::string key;     ///< of one that has to run
    CachedRowsPtr rows;  ///< null: it has to run
  };

  AnswerCache& cache_;
  std::vector<Row> rows_;
  int64_t hits_ = 0;
};

}  // namespace tamis::serve
