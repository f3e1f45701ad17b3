#include "kernels/cpu/peak/peak.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "kernels/cpu/peak/peak_loops.h"

namespace tamis::kernels {
namespace {

// No instruction of the set, no figure. (What the figures are is for benchmarks: seconds each.)
TEST(Peak, ReferenceSetHasNone) {
  ThreadPool pool(1);
  const Peak peak = measure_peak(IsaSet(), pool);
  EXPECT_EQ(peak.fp32_gflops, 0);
  EXPECT_EQ(peak.bf16_gflops, 0);
  EXPECT_EQ(peak.int8_gops, 0);
}

struct LoopCase {
  Isa isa;
  PeakLoop loop;
  double operations;  // an iteration
};

TEST(Peak, LoopsCountTheirOperations) {
  const std::vector<LoopCase> cases = {
#define X(type, row, level, operations) {Isa::level, peak_##type##_##row, operations},
#include "kernels/cpu/peak/loops.inc"
#undef X
  };
  for (const LoopCase& row : cases) {
    if (!detected_isas().has(row.isa)) continue;
    float sink = 0;
    EXPECT_EQ(row.loop(10, &sink), 10 * row.operations) << isa_name(row.isa);
    EXPECT_GT(sink, 0) << isa_name(row.isa);  // the work was done
  }
}

}  // namespace
}  // namespace tamis::kernels
