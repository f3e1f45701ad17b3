// Every row on one sequence of RoBERTa-base (12 heads of 64) and MiniLM (12 of 32), one thread;
// qkv and context in bf16.
#include "kernels/cpu/attention_bf16/attention_bf16.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/testing/bench.h"
#include "kernels/cpu/testing/rows.h"
#include "tensor/arena.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionBf16Kernel attention_bf16_##row;
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X

namespace {

constexpr KernelRow<AttentionBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &attention_bf16_##row},
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X
};

constexpr int64_t kHeads = 12;

void run_shape(benchmark::State& state, const AttentionBf16Kernel& kernel, int64_t length,
               int64_t head_size) {
  const int64_t width = kHeads * head_size;
  std::vector<uint16_t> qkv(static_cast<size_t>(length * 3 * width));
  for (size_t i = 0; i < qkv.size(); ++i) qkv[i] = float_to_bf16(std::sin(static_cast<float>(i)));
  std::vector<uint16_t> out(static_cast<size_t>(length * width));
  const AlignedBuffer scratch(kernel.scratch_bytes(length, head_size, {}));
  const int32_t cu_seqlens[] = {0, static_cast<int32_t>(length)};
  AttentionBf16Args args;
  args.cu_seqlens = cu_seqlens;
  args.sequences = 1;
  args.heads = kHeads;
  args.head_size = head_size;
  args.scale = 1 / std::sqrt(static_cast<float>(head_size));
  args.q = {nullptr, qkv.data(), 3 * width};
  args.k = {nullptr, qkv.data() + width, 3 * width};
  args.v = {nullptr, qkv.data() + 2 * width, 3 * width};
  args.out_bf16 = out.data();
  args.ldo = width;
  for (auto _ : state) kernel.run(args, {0, 0, kHeads, 0, length}, scratch.data());
  testing::report_rate(state, 4.0 * static_cast<double>(length * length * width),
                       testing::peak_of_one_thread().bf16_gflops);
}

}  // namespace

void testing::register_attention_bf16() {
  for (const auto& row : rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;
    for (const int64_t head_size : {64, 32}) {
      for (const int64_t length : {16, 128, 256, 384, 512}) {
        const std::string name = cat(row.kernel->name, "/head", head_size, "/length", length);
        const AttentionBf16Kernel* kernel = row.kernel;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [kernel, length, head_size](benchmark::State& state) {
                                       run_shape(state, *kernel, length, head_size);
                                     });
      }
    }
  }
}

}  // namespace tamis::kernels
