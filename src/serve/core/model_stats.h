// What a model version has done, as KServe's statistics extension counts it.
//
// Is: counters. Is not: the metrics page (metrics). May use: nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>

namespace tamis::serve {

/// How often and how long in all.
struct StatDuration {
  uint64_t count = 0;
  uint64_t ns = 0;
};

struct BatchStat {
  StatDuration compute_infer;
};

/// A copy of the counters at one moment.
struct ModelStatsView {
  int64_t last_inference_ms = 0;  ///< since 1970; 0: never
  uint64_t inference_count = 0;   ///< inputs answered
  uint64_t execution_count = 0;   ///< batches run
  StatDuration success, fail, queue, compute_input, compute_infer, compute_output;
  uint64_t rejected = 0;   ///< of the failed ones: not admitted
  uint64_t cancelled = 0;  ///< of the failed ones: the client went or the deadline passed
  std::map<int64_t, BatchStat> batches;  ///< by rows
};

/// A request that ended, in nanoseconds by stage.
struct RequestStat {
  bool ok = true;
  bool rejected = false;
  bool cancelled = false;
  uint64_t inputs = 0;
  uint64_t total_ns = 0;
  uint64_t queue_ns = 0;
  uint64_t compute_input_ns = 0;
  uint64_t compute_infer_ns = 0;
  uint64_t compute_output_ns = 0;
  int64_t ended_ms = 0;  ///< since 1970
};

/// Thread-safe.
class ModelStats {
 public:
  void add(const RequestStat& request);
  void add_batch(int64_t rows, int64_t run_ns);
  [[nodiscard]] ModelStatsView view() const;

 private:
  mutable std::mutex mutex_;
  ModelStatsView totals_;
};

}  // namespace tamis::serve
