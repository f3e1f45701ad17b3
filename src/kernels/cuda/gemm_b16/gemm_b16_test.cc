// gemm_b16 on the emulator, against the reference, and the same bits on both tiles.
#include "kernels/cuda/gemm_b16/gemm_b16-inl.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "kernels/cuda/testing.h"
#include "kernels/reference/reference.h"
#include "kernels/reference/short_gelu.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;
using testing::random_floats;

struct Product {
  Product(int rows, int columns, int depth)
      : n(columns),
        k(depth),
        ld((depth + 63) / 64 * 64),  // kGemmRowBytes
        m(testing::number(rows)),
        a(int64_t{rows} * ld),
        w(int64_t{columns} * ld),
        bias(random_floats(columns, 1, 3)),
        residual(random_floats(int64_t{rows} * columns, 1, 4)),
        fit(49) {
    std::memcpy(fit.data(), &kernels::kShortGeluErf, 196);
    fill(a, 1);
    fill(w, 2);
  }
  void fill(Guarded<uint16_t>& rows, uint32_t seed) const {
    const auto values = random_floats(rows.size(), 1, seed);
    for (int64_t i = 0; i < rows.size(); ++i) {
      rows[i] = i % ld < k ? float_to_bf16(values[i]) : uint16_t{0};
    }
  }
  [[nodiscard]] GemmB16Params params(Activation activation, float* c) const {
    return {m.data(), ld,
            ld,       a.data(),
            w.data(), {n, activation, fit.data(), bias.data(), residual.data(), {c, Stored::kF32}}};
  }

  int n, k, ld;
  Guarded<int32_t> m;
  Guarded<uint16_t> a, w;
  Guarded<float> bias, residual, fit;
};

template <GemmTile kTile>
void launch(const Product& product, const GemmB16Params& params) {
  testing::run<device::GemmB16<kTile, GemmActivation::kAny>>(
      params, testing::blocks(product.n, kTile.columns), testing::blocks(product.m[0], kTile.rows),
      kTile.threads(), kTile.shared_bytes());
}

TEST(GemmB16, IsWithinItsSumsRounding) {
  const int kShapes[][3] = {{1, 8, 16}, {37, 72, 312}, {129, 136, 200}, {65, 9, 7}};
  for (const auto& [m, n, k] : kShapes) {
    const Product product(m, n, k);
    for (const Activation activation : {Activation::kNone, Activation::kGelu}) {
      Guarded<float> want(int64_t{m} * n);
      kernels::GemmBf16Args args;
      args.m = m;
      args.n = n;
      args.k = product.ld;
      args.a = product.a.data();
      args.lda = product.ld;
      args.bias = product.bias.data();
      args.activation = activation;
      args.residual = product.residual.data();
      args.ldr = args.ldc = n;
      args.c = want.data();
      kernels::reference::matmul_bf16(args, product.w.data(), 0, n);
      Guarded<float> large(want.size());
      Guarded<float> middle(want.size());
      launch<kLargeTile>(product, product.params(activation, large.data()));
      launch<kMiddleTile>(product, product.params(activation, middle.data()));
      EXPECT_TRUE(large.same_bits(middle));
      // k eps sum|a||w|, |a| and |w| up to 1; the short form of GELU is good to 8e-5.
      const double form = activation == Activation::kGelu ? 1e-4 : 0;
      for (int64_t i = 0; i < want.size(); ++i) {
        EXPECT_NEAR(large[i], want[i], 0x1p-24 * k * k + 1e-6 + form);
      }
    }
  }
}

}  // namespace
}  // namespace tamis::cuda
