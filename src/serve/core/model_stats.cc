#include "serve/core/model_stats.h"

namespace tamis::serve {

namespace {

void count(StatDuration& stat, uint64_t ns) {
  ++stat.count;
  stat.ns += ns;
}

}  // namespace

void ModelStats::add(const RequestStat& request) {
  const std::lock_guard lock(mutex_);
  if (!request.ok) {
    count(totals_.fail, request.total_ns);
    totals_.rejected += request.rejected ? 1 : 0;
    totals_.cancelled += request.cancelled ? 1 : 0;
    return;
  }
  count(totals_.success, request.total_ns);
  count(totals_.queue, request.queue_ns);
  count(totals_.compute_input, request.compute_input_ns);
  count(totals_.compute_infer, request.compute_infer_ns);
  count(totals_.compute_output, request.compute_output_ns);
  totals_.inference_count += request.inputs;
  totals_.last_inference_ms = request.ended_ms;
}

void ModelStats::add_batch(int64_t rows, int64_t run_ns) {
  const std::lock_guard lock(mutex_);
  ++totals_.execution_count;
  count(totals_.batches[rows].compute_infer, static_cast<uint64_t>(run_ns));
}

ModelStatsView ModelStats::view() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

}  // namespace tamis::serve
