// Benchmarks of every kernel row: kernels_bench --benchmark_filter=gemm_f32_avx512
#include <benchmark/benchmark.h>

#include <cstdio>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "kernels/cpu/testing/bench.h"

namespace tamis::kernels::testing {

const Peak& peak_of_one_thread() {
  static const Peak peak = [] {
    ThreadPool pool(1);
    return measure_peak(detected_isas(), pool);
  }();
  return peak;
}

void report_rate(benchmark::State& state, double operations, double peak_gops) {
  const double total = operations * static_cast<double>(state.iterations());
  state.counters["GOP/s"] = benchmark::Counter(total * 1e-9, benchmark::Counter::kIsRate);
  state.counters["share"] =
      benchmark::Counter(total * 1e-9 / peak_gops, benchmark::Counter::kIsRate);
}

}  // namespace tamis::kernels::testing

int main(int argc, char** argv) {
  namespace testing = tamis::kernels::testing;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  testing::register_gemm_f32();
  testing::register_gemm_bf16();
  testing::register_gemm_s8();
  testing::register_attention_f32();
  testing::register_attention_bf16();
  testing::register_rows();
  const auto& peak = testing::peak_of_one_thread();
  std::printf("%s, one thread: fp32 %.1f GFLOP/s, bf16 %.1f GFLOP/s, int8 %.1f GOP/s\n",
              tamis::cpu_model().c_str(), peak.fp32_gflops, peak.bf16_gflops, peak.int8_gops);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
