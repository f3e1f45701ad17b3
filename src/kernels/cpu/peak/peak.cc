#include "kernels/cpu/peak/peak.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/thread_pool.h"
#include "kernels/cpu/peak/peak_loops.h"

namespace tamis::kernels {

namespace {

struct LoopRow {
  Isa isa;
  PeakLoop loop;
};

// The widest first.
constexpr LoopRow kFp32[] = {{Isa::kAvx512, peak_fp32_avx512}, {Isa::kAvx2, peak_fp32_avx2}};
constexpr LoopRow kBf16[] = {{Isa::kAvx512Bf16, peak_bf16_avx512_bf16}};
constexpr LoopRow kInt8[] = {{Isa::kAvx512Vnni, peak_int8_avx512_vnni},
                             {Isa::kAvxVnni, peak_int8_avx_vnni},
                             {Isa::kAvx512, peak_int8_avx512},
                             {Isa::kAvx2, peak_int8_avx2}};

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

double measure(std::span<const LoopRow> rows, IsaSet isas, ThreadPool& pool) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const LoopRow& r) { return isas.has(r.isa); });
  if (row == rows.end()) return 0;
  double best = 0;
  for (int i = 0; i < kRounds; ++i) best = std::max(best, measure_round(row->loop, pool));
  return best;
}

}  // namespace

Peak measure_peak(IsaSet isas, ThreadPool& pool) {
  return {measure(kFp32, isas, pool), measure(kBf16, isas, pool), measure(kInt8, isas, pool)};
}

}  // namespace tamis::kernels
