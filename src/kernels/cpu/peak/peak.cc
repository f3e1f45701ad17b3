#include "kernels/cpu/peak/peak.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <string_view>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/thread_pool.h"
#include "kernels/cpu/peak/peak_loops.h"

namespace tamis::kernels {

namespace {

struct LoopRow {
  std::string_view type;
  Isa isa;
  PeakLoop loop;  // null: the last row, of no type
};

constexpr LoopRow kLoops[] = {
#define X(type, row, level, operations) {#type, Isa::level, peak_##type##_##row},
#include "kernels/cpu/peak/loops.inc"
#undef X
    {"", Isa::kReference, nullptr},
};

constexpr int kRounds = 5;
constexpr int64_t kRoundNs = 200'000'000;
// About 0.1 ms a slice at two instructions a cycle: the clock is read that often.
constexpr int64_t kSlice = 40'000;

// 10^9 operations a second of all threads in one round: each thread's own rate, added.
double measure_round(PeakLoop loop, ThreadPool& pool) {
  std::mutex mutex;
  double total = 0;
  std::atomic<int> arrived = 0;
  pool.run(pool.threads(), [&](int /*worker*/, int count) {
    arrived.fetch_add(1);
    while (arrived.load() < count) {
    }
    const Clock& clock = Clock::steady();
    const int64_t start = clock.now_ns();
    int64_t now = start;
    double operations = 0;
    float sink = 0;
    while (now - start < kRoundNs) {
      operations += loop(kSlice, &sink);
      now = clock.now_ns();
    }
    const std::lock_guard lock(mutex);
    total += operations / static_cast<double>(now - start);
  });
  return total;
}

double measure(std::string_view type, IsaSet isas, ThreadPool& pool) {
  const auto* const row = std::ranges::find_if(
      kLoops, [&](const LoopRow& r) { return r.type == type && isas.has(r.isa); });
  if (row == std::end(kLoops)) return 0;
  double best = 0;
  for (int i = 0; i < kRounds; ++i) best = std::max(best, measure_round(row->loop, pool));
  return best;
}

}  // namespace

Peak measure_peak(IsaSet isas, ThreadPool& pool) {
  return {measure("fp32", isas, pool), measure("bf16", isas, pool), measure("int8", isas, pool)};
}

}  // namespace tamis::kernels
