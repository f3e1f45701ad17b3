// gemm_f32 on the emulator: the bits of the CPU's vector kernels.
#include "kernels/cuda/gemm_f32/gemm_f32-inl.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "kernels/cpu/gemm_f32/gemm_f32.h"
#include "kernels/cuda/testing.h"
#include "tensor/arena.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;
using testing::random_floats;

TEST(GemmF32, HasTheCpusBits) {
  if (detected_isas() == isas_up_to("reference"))
    GTEST_SKIP() << "the reference row sums in double";
  const kernels::GemmF32Kernel& kernel = kernels::select_gemm_f32(detected_isas());
  const int kShapes[][3] = {{1, 1, 1}, {64, 64, 16}, {65, 66, 33}, {7, 130, 48}, {3, 5, 100}};
  for (const auto& [m, n, k] : kShapes) {
    const auto rows = testing::number(m);
    const auto a = random_floats(int64_t{m} * k, 1, 1);
    const auto w = random_floats(int64_t{n} * k, 1, 2);
    const auto bias = random_floats(n, 1, 3);
    const auto residual = random_floats(int64_t{m} * n, 1, 4);
    for (const Activation activation :
         {Activation::kNone, Activation::kGelu, Activation::kTanh, Activation::kRelu}) {
      Guarded<float> want(int64_t{m} * n);
      Guarded<float> got(want.size());
      AlignedBuffer packed(kernel.packed_bytes(n, k));
      auto* panels = reinterpret_cast<float*>(packed.data());
      kernel.pack({n, k, w.data(), k}, 0, kernels::gemm_f32_panels(kernel, n), panels);
      kernel.run({m, n, k, a.data(), k, panels, bias.data(), activation, residual.data(), n,
                  want.data(), n},
                 0, kernels::gemm_f32_panels(kernel, n));
      testing::run<device::GemmF32>(
          GemmF32Params{
              rows.data(),
              k,
              a.data(),
              w.data(),
              {n, activation, nullptr, bias.data(), residual.data(), {got.data(), Stored::kF32}}},
          testing::blocks(n, kGemmF32Tile), testing::blocks(m, kGemmF32Tile), kGemmF32Threads,
          kGemmF32SharedBytes);
      EXPECT_TRUE(got.same_bits(want))
          << m << " x " << n << " x " << k << ", " << activation_name(activation);
    }
  }
}

}  // namespace
}  // namespace tamis::cuda
