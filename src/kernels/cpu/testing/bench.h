// What every kernel benchmark prints beside its time.
//
// Is: for benchmarks only. May use: cpu/peak.
#pragma once

#include "base/error.h"
#include "kernels/cpu/peak/peak.h"

namespace benchmark {
class State;
}

namespace tamis::kernels::testing {

/// The peak of one thread, measured once a process.
[[nodiscard]] const Peak& peak_of_one_thread();

/// Sets the counters "GOP/s" and "share" (of `peak_gops`) of a benchmark that has run
/// state.iterations() times `operations`, by the CPU time it took.
void report_rate(benchmark::State& state, double operations, double peak_gops);

// One a family, called by bench_main.cc in this order.
void register_gemm_f32();
void register_gemm_bf16();
void register_gemm_s8();
void register_attention_f32();
void register_attention_bf16();
void register_rows();

}  // namespace tamis::kernels::testing
