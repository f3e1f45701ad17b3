// The rows kernel on the emulator, against the reference kernels.
#include "kernels/cuda/rows/rows-inl.h"

#include <gtest/gtest.h>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/reference/reference.h"

namespace tamis::cuda {
namespace {

using kernels::testing::Guarded;
using kernels::testing::random_floats;

struct Quantized {
  explicit Quantized(int64_t rows, int64_t ldq)
      : q(rows * ldq), scale(rows), low(rows), outliers(rows * 8) {}
  Guarded<uint8_t> q;
  Guarded<float> scale;
  Guarded<float> low;
  Guarded<float> outliers;
};

emulator::Counters run(const RowsParams& params, uint64_t seed) {
  emulator::Options options;
  options.seed = seed;
  const auto blocks = static_cast<unsigned>((params.rows + kRowsWarps - 1) / kRowsWarps);
  return emulator::launch(
      {{blocks}, {kRowsWarps * 32}, 0}, [&] { device::RowKernel<8>::run(params); }, options);
}

class Rows : public ::testing::TestWithParam<std::tuple<int, int, bool>> {};

TEST_P(Rows, QuantizesWithTheCpusBits) {
  const auto [rows, width, shifted] = GetParam();
  const auto x = random_floats(int64_t{rows} * width, 3.0f, 1);
  const auto multiply = random_floats(width, 1.0f, 2);
  const auto offset = random_floats(width, 1.0f, 3);
  Guarded<int32_t> columns(2);
  columns[1] = width - 1;
  Quantized want(rows, width);
  kernels::QuantizeRowsArgs args;
  args.rows = rows;
  args.width = args.ldx = args.ldq = width;
  args.x = x.data();
  args.multiply = shifted ? multiply.data() : nullptr;
  args.offset = shifted ? offset.data() : nullptr;
  args.q = want.q.data();
  args.scale = want.scale.data();
  args.low = want.low.data();
  args.outliers = 2;
  args.outlier_columns = columns.data();
  args.outlier_values = want.outliers.data();
  kernels::reference::quantize_rows(args);

  Quantized got(rows, width);
  RowsParams params;
  params.rows = rows;
  params.width = params.ldq = width;
  params.x = x.data();
  params.multiply = args.multiply;
  params.offset = args.offset;
  params.q = got.q.data();
  params.scale = got.scale.data();
  params.low = got.low.data();
  params.outliers = 2;
  params.outlier_columns = columns.data();
  params.outlier_values = got.outliers.data();
  for (uint64_t seed = 1; seed < 4; ++seed) {
    run(params, seed);
    EXPECT_TRUE(got.q.same_bits(want.q));
    EXPECT_TRUE(got.scale.same_bits(want.scale));
    EXPECT_TRUE(got.low.same_bits(want.low));
    EXPECT_TRUE(got.outliers.same_bits(want.outliers));
  }
}

TEST_P(Rows, NormalizesWithinRounding) {
  const auto [rows, width, with_residual] = GetParam();
  const auto x = random_floats(int64_t{rows} * width, 3.0f, 4);
  const auto residual = random_floats(int64_t{rows} * width, 3.0f, 5);
  const auto gamma = random_floats(width, 2.0f, 6);
  const auto beta = random_floats(width, 1.0f, 7);
  Guarded<float> want(int64_t{rows} * width);
  kernels::LayerNormArgs args;
  args.rows = rows;
  args.width = args.ldx = args.ldy = args.ldr = width;
  args.x = x.data();
  args.residual = with_residual ? residual.data() : nullptr;
  args.gamma = gamma.data();
  args.beta = beta.data();
  args.eps = 1e-12f;
  args.y = want.data();
  kernels::reference::layer_norm(args);
  Guarded<float> got(int64_t{rows} * width);
  RowsParams params;
  params.rows = rows;
  params.width = width;
  params.x = x.data();
  params.residual = args.residual;
  params.gamma = gamma.data();
  params.beta = beta.data();
  params.epsilon = 1e-12f;
  params.y = got.data();
  const emulator::Counters counters = run(params, 1);
  for (int64_t i = 0; i < want.size(); ++i) {
    // Sums of `width` terms of about unit size, then three roundings.
    EXPECT_NEAR(got[i], want[i], 0x1p-24 * 64 * (1 + std::abs(want[i])));
  }
  if (width % 128 == 0) {
    EXPECT_LE(static_cast<double>(counters.global_sectors) * 32,
              2.6 * static_cast<double>(counters.global_bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Rows,
                         ::testing::Combine(::testing::Values(1, 4, 7),
                                            ::testing::Values(4, 32, 312, 384, 1024),
                                            ::testing::Bool()));

TEST(RowsKernel, AFlatRowHasNoScale) {
  Guarded<float> x(8);
  for (int i = 0; i < 8; ++i) x[i] = -0.0f;
  Quantized got(1, 8);
  RowsParams params;
  params.rows = 1;
  params.width = params.ldq = 8;
  params.x = x.data();
  params.q = got.q.data();
  params.scale = got.scale.data();
  params.low = got.low.data();
  run(params, 1);
  EXPECT_EQ(got.scale[0], 0.0f);
  EXPECT_FALSE(std::signbit(got.low[0]));
  EXPECT_EQ(got.q[3], 0);
}

}  // namespace
}  // namespace tamis::cuda
