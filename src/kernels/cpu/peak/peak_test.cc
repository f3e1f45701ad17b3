#include "kernels/cpu/peak/peak.h"

#include <gtest/gtest.h>

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
  const LoopCase cases[] = {
      {Isa::kAvx2, peak_fp32_avx2, 192},
      {Isa::kAvx2, peak_int8_avx2, 384},
      {Isa::kAvxVnni, peak_int8_avx_vnni, 768},
      {Isa::kAvx512, peak_fp32_avx512, 512},
      {Isa::kAvx512, peak_int8_avx512, 1024},
      {Isa::kAvx512Vnni, peak_int8_avx512_vnni, 2048},
      {Isa::kAvx512Bf16, peak_bf16_avx512_bf16, 1024},
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
