// The families that work row by row, on 256 rows of 768: nanoseconds a row.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/activation.h"
#include "base/cpu.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/cpu/layer_norm/layer_norm.h"
#include "kernels/cpu/testing/bench.h"

namespace tamis::kernels::testing {

namespace {

constexpr int64_t kRows = 256;
constexpr int64_t kWidth = 768;

void report_row_time(benchmark::State& state) {
  const double rows = static_cast<double>(state.iterations()) * kRows;
  state.counters["s/row"] =
      benchmark::Counter(rows, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void run_layer_norm(benchmark::State& state, const LayerNormKernel& kernel) {
  const std::vector<float> x(kRows * kWidth, 0.5f);
  std::vector<float> y(x.size());
  LayerNormArgs args;
  args.rows = kRows;
  args.width = args.ldx = args.ldr = args.ldy = kWidth;
  args.x = args.residual = x.data();
  args.gamma = args.beta = x.data();
  args.eps = 1e-5f;
  args.y = y.data();
  for (auto _ : state) kernel.run(args);
  report_row_time(state);
}

void run_activation(benchmark::State& state, const ElementwiseKernel& kernel,
                    Activation activation) {
  const std::vector<float> x(kRows * kWidth, 0.5f);
  std::vector<float> y(x.size());
  for (auto _ : state) kernel.activate(activation, kRows * kWidth, x.data(), y.data());
  report_row_time(state);
}

}  // namespace

void register_rows() {
  for (const char* isa : {"avx2", "avx512"}) {
    IsaSet set;
    for (const Isa level : all_isas()) {
      if (isa_name(level) == isa && detected_isas().has(level)) set = isas_up_to(isa);
    }
    const LayerNormKernel* norm = &select_layer_norm(set);
    const ElementwiseKernel* elementwise = &select_elementwise(set);
    benchmark::RegisterBenchmark(cat(norm->name, "/skip").c_str(),
                                 [norm](benchmark::State& state) { run_layer_norm(state, *norm); });
    for (const Activation activation :
         {Activation::kGelu, Activation::kGeluTanh, Activation::kTanh}) {
      benchmark::RegisterBenchmark(cat(elementwise->name, "/", activation_name(activation)).c_str(),
                                   [elementwise, activation](benchmark::State& state) {
                                     run_activation(state, *elementwise, activation);
                                   });
    }
  }
}

}  // namespace tamis::kernels::testing
