// Every row on the shapes of MiniLM and RoBERTa-base, one thread, weights rotated through 85 MB as
// a whole model's would be ("cold") or left in the cache ("hot").
#include "kernels/cpu/gemm_bf16/gemm_bf16.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/cpu/testing/bench.h"
#include "kernels/cpu/testing/rows.h"
#include "tensor/arena.h"

namespace tamis::kernels {

#define X(row, level) extern const GemmBf16Kernel gemm_bf16_##row;
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X

namespace {

constexpr KernelRow<GemmBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &gemm_bf16_##row},
#include "kernels/cpu/gemm_bf16/kernels.inc"
#undef X
};

struct ShapeRow {
  int64_t m, n, k;
  Activation activation;
  bool residual;
};

constexpr ShapeRow kShapes[] = {
    {256, 3072, 768, Activation::kNone, false}, {256, 3072, 768, Activation::kGelu, false},
    {2048, 768, 3072, Activation::kNone, true}, {16, 3072, 768, Activation::kNone, false},
    {16, 768, 3072, Activation::kNone, true},   {128, 2304, 768, Activation::kNone, false},
    {128, 1536, 384, Activation::kGelu, false}, {128, 384, 1536, Activation::kNone, true},
    {1, 3072, 768, Activation::kNone, false},
};

void run_shape(benchmark::State& state, const GemmBf16Kernel& kernel, const ShapeRow& shape,
               int64_t weight_bytes) {
  const auto rows = static_cast<size_t>(shape.m);
  const std::vector<uint16_t> a(rows * static_cast<size_t>(shape.k), 0x3f00);  // 0.5
  const std::vector<float> w(static_cast<size_t>(shape.n * shape.k), 0.01f);
  const std::vector<float> ones(rows * static_cast<size_t>(shape.n), 1.0f);
  std::vector<float> c(ones.size());
  const size_t bytes = kernel.packed_bytes(shape.n, shape.k);
  std::vector<AlignedBuffer> packed;
  do {
    packed.emplace_back(bytes);
    kernel.pack({shape.n, shape.k, w.data(), shape.k}, 0, gemm_bf16_panels(kernel, shape.n),
                packed.back().data());
  } while (static_cast<int64_t>(packed.size() * bytes) < weight_bytes);
  GemmBf16Args args;
  args.m = shape.m;
  args.n = args.ldr = args.ldc = shape.n;
  args.k = args.lda = shape.k;
  args.a = a.data();
  args.bias = ones.data();
  args.activation = shape.activation;
  args.residual = shape.residual ? ones.data() : nullptr;
  args.c = c.data();
  size_t turn = 0;
  for (auto _ : state) {
    args.packed = packed[turn++ % packed.size()].data();
    kernel.run(args, 0, gemm_bf16_panels(kernel, shape.n));
  }
  testing::report_rate(state, 2.0 * static_cast<double>(shape.m * shape.n * shape.k),
                       testing::peak_of_one_thread().bf16_gflops);
}

}  // namespace

void testing::register_gemm_bf16() {
  for (const auto& row : testing::rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;
    for (const ShapeRow& shape : kShapes) {
      for (const bool cold : {false, true}) {
        const std::string name = cat(row.kernel->name, "/", shape.m, "x", shape.n, "x", shape.k,
                                     shape.activation == Activation::kNone ? "" : "+gelu",
                                     shape.residual ? "+residual" : "", cold ? "/cold" : "/hot");
        const GemmBf16Kernel* kernel = row.kernel;
        benchmark::RegisterBenchmark(name.c_str(), [kernel, shape, cold](benchmark::State& state) {
          run_shape(state, *kernel, shape, cold ? 85'000'000 : 0);
        });
      }
    }
  }
}

}  // namespace tamis::kernels
