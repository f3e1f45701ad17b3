// The rows kernel on the emulator, against the reference kernels.
#include "kernels/cuda/rows/rows-inl.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/bf16.h"
#include "kernels/cuda/testing.h"
#include "kernels/reference/reference.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;
using testing::random_floats;

struct Quantized {
  explicit Quantized(int64_t rows, int64_t ldq)
      : q(rows * ldq), scale(rows), low(rows), outliers(rows * 8) {}
  Guarded<uint8_t> q;
  Guarded<float> scale;
  Guarded<float> low;
  Guarded<float> outliers;
};

template <RowShape kShape>
emulator::Counters run_shape(const RowsParams& params, int rows, const emulator::Options& options) {
  return testing::run<device::RowKernel<kShape>>(params, testing::blocks(rows, kShape.rows), 1,
                                                 kShape.threads(), kShape.shared_bytes(), options);
}

// On the narrowest shape that has room, or the next.
emulator::Counters run(const RowsParams& params, int rows, uint64_t seed, bool wider = false) {
  emulator::Options options;
  options.seed = seed;
  if (params.width <= kNarrowRows.most_columns() && !wider) {
    return run_shape<kNarrowRows>(params, rows, options);
  }
  if (params.width <= kWideRows.most_columns()) return run_shape<kWideRows>(params, rows, options);
  return run_shape<kWidestRows>(params, rows, options);
}

class Rows : public ::testing::TestWithParam<std::tuple<int, int, bool>> {};

TEST_P(Rows, QuantizesWithTheCpusBits) {
  const auto [rows, width, shifted] = GetParam();
  const auto x = random_floats(int64_t{rows} * width, 3.0f, 1);
  const auto multiply = random_floats(width, 1.0f, 2);
  const auto offset = random_floats(width, 1.0f, 3);
  Guarded<int32_t> columns(2);
  columns[1] = width - 1;
  const int ldq = (width + 15) / 16 * 16;
  Quantized want(rows, ldq);
  kernels::QuantizeRowsArgs args;
  args.rows = rows;
  args.width = args.ldx = width;
  args.ldq = ldq;
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

  Quantized got(rows, ldq);
  const auto count = testing::number(rows);
  RowsParams params;
  params.rows = count.data();
  params.width = width;
  params.ldq = ldq;
  params.x = {x.data(), Stored::kF32};
  params.multiply = args.multiply;
  params.offset = args.offset;
  params.q = got.q.data();
  params.scale = got.scale.data();
  params.low = got.low.data();
  params.outliers = 2;
  params.outlier_columns = columns.data();
  params.outlier_values = got.outliers.data();
  for (uint64_t seed = 1; seed < 4; ++seed) {
    run(params, rows, seed, seed == 3);
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
  const auto count = testing::number(rows);
  RowsParams params;
  params.rows = count.data();
  params.width = width;
  params.x = {x.data(), Stored::kF32};
  params.residual = args.residual;
  params.norm = RowNorm::kLayer;
  params.gamma = gamma.data();
  params.beta = beta.data();
  params.epsilon = 1e-12f;
  params.y = {got.data(), Stored::kF32};
  const emulator::Counters counters = run(params, rows, 1);
  for (int64_t i = 0; i < want.size(); ++i) {
    // Sums of `width` terms of about unit size, then three roundings.
    EXPECT_NEAR(got[i], want[i], 0x1p-24 * 64 * (1 + std::abs(want[i])));
  }
  if (width % 128 == 0 && width <= kNarrowRows.most_columns()) {
    EXPECT_LE(static_cast<double>(counters.global_sectors) * 32,
              2.6 * static_cast<double>(counters.global_bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Rows,
                         ::testing::Combine(::testing::Values(1, 4, 7),
                                            ::testing::Values(1, 4, 30, 32, 312, 384, 1024, 1536,
                                                              5000),
                                            ::testing::Bool()));

/// Operands of a quantization of `rows` rows, and what it gives.
struct Quantization {
  Quantization(int rows, int width)
      : count(testing::number(rows)), stride((width + 15) / 16 * 16), got(rows, stride) {
    params.rows = count.data();
    params.width = width;
    params.ldq = stride;
    params.q = got.q.data();
    params.scale = got.scale.data();
    params.low = got.low.data();
  }
  Guarded<int32_t> count;
  int stride;
  Quantized got;
  RowsParams params;
};

TEST(RowsKernel, AFlatRowHasNoScale) {
  Guarded<float> x(8);
  for (int i = 0; i < 8; ++i) x[i] = -0.0f;
  Quantization flat(1, 8);
  flat.params.x = {x.data(), Stored::kF32};
  run(flat.params, 1, 1);
  EXPECT_EQ(flat.got.scale[0], 0.0f);
  EXPECT_FALSE(std::signbit(flat.got.low[0]));
  EXPECT_EQ(flat.got.q[3], 0);
}

TEST(RowsKernel, ARowThatIsNotFiniteSaysSo) {
  for (const float strange : {std::nanf(""), INFINITY, -INFINITY}) {
    auto x = random_floats(3 * 40, 1, 1);
    x[40 + 17] = strange;
    Quantization rows(3, 40);
    rows.params.x = {x.data(), Stored::kF32};
    for (const bool wider : {false, true}) {
      run(rows.params, 3, 1, wider);
      EXPECT_FALSE(std::isnan(rows.got.scale[0]));
      EXPECT_TRUE(std::isnan(rows.got.scale[1]));
      EXPECT_TRUE(std::isnan(rows.got.low[1]));
      EXPECT_FALSE(std::isnan(rows.got.scale[2]));
    }
  }
}

TEST(RowsKernel, ReadsHalvesAsTheyAre) {
  const auto x = random_floats(2 * 24, 3, 1);
  Guarded<uint16_t> halves(2 * 24);
  Guarded<float> widened(2 * 24);
  for (const Stored stored : {Stored::kF16, Stored::kB16}) {
    for (int64_t i = 0; i < x.size(); ++i) {
      halves[i] = stored == Stored::kF16 ? float_to_f16(x[i]) : float_to_bf16(x[i]);
      widened[i] = stored == Stored::kF16 ? f16_to_float(halves[i]) : bf16_to_float(halves[i]);
    }
    Quantization want(2, 24);
    want.params.x = {widened.data(), Stored::kF32};
    run(want.params, 2, 1);
    Quantization got(2, 24);
    got.params.x = {halves.data(), stored};
    run(got.params, 2, 2);
    EXPECT_TRUE(got.got.q.same_bits(want.got.q));
    EXPECT_TRUE(got.got.scale.same_bits(want.got.scale));
  }
}

TEST(RowsKernel, LooksUpAndAdds) {
  constexpr int kWidth = 30;
  const auto words = random_floats(9 * kWidth, 1, 1);
  const auto types = random_floats(2 * kWidth, 1, 2);
  const auto positions = random_floats(4 * kWidth, 1, 3);
  const auto gamma = random_floats(kWidth, 1, 4);
  const int32_t ids[] = {8, 0, 3};
  const int32_t places[] = {0, 1, 3};
  kernels::EmbeddingArgs args;
  args.tokens = 3;
  args.width = args.ldy = kWidth;
  args.tables[0] = {words.data(), ids};
  args.tables[1] = {types.data(), nullptr};
  args.tables[2] = {positions.data(), places};
  args.gamma = gamma.data();
  args.eps = 1e-5f;
  Guarded<float> want(3 * kWidth);
  args.y = want.data();
  kernels::reference::embedding(args);
  Guarded<float> got(3 * kWidth);
  const auto count = testing::number(3);
  RowsParams params;
  params.rows = count.data();
  params.width = kWidth;
  params.tables[0] = {words.data(), ids};
  params.tables[1] = {types.data(), nullptr};
  params.tables[2] = {positions.data(), places};
  params.norm = RowNorm::kLayer;
  params.epsilon = 1e-5f;
  params.gamma = gamma.data();
  params.y = {got.data(), Stored::kF32};
  run(params, 3, 1);
  for (int64_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6);
}

TEST(RowsKernel, GatesWithEitherHalf) {
  constexpr int kWidth = 20;
  const auto x = random_floats(2 * 2 * kWidth, 3, 1);
  const auto count = testing::number(2);
  for (const bool gate_first : {true, false}) {
    kernels::GluArgs args;
    args.activation = Activation::kSilu;
    args.rows = 2;
    args.width = args.ldy = kWidth;
    args.x = x.data();
    args.ldx = 2 * kWidth;
    args.gate_column = gate_first ? 0 : kWidth;
    args.up_column = gate_first ? kWidth : 0;
    Guarded<float> want(2 * kWidth);
    args.y = want.data();
    kernels::reference::glu(args);
    Guarded<float> got(2 * kWidth);
    RowsParams params;
    params.rows = count.data();
    params.width = kWidth;
    params.x = {x.data(), Stored::kF32};
    params.gate_column = gate_first ? 0 : kWidth;
    params.activation = Activation::kSilu;
    params.y = {got.data(), Stored::kF32};
    run(params, 2, 1);
    for (int64_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 3e-6);
  }
}

TEST(RowsKernel, NormalizesByLengthAndByParts) {
  const auto x = random_floats(3 * 24, 3, 1);
  const auto gamma = random_floats(8, 1, 2);
  const auto count = testing::number(3);
  struct Row {
    kernels::NormKind kind;
    RowNorm norm;
    int parts;
  };
  for (const Row& row : {Row{kernels::NormKind::kRms, RowNorm::kRms, 3},
                         Row{kernels::NormKind::kL2, RowNorm::kL2, 1}}) {
    kernels::LayerNormArgs args;
    args.kind = row.kind;
    args.rows = 3;
    args.width = args.ldx = args.ldy = 24;
    args.parts = row.parts;
    args.x = x.data();
    args.gamma = row.parts == 1 ? nullptr : gamma.data();
    args.eps = 1e-6f;
    Guarded<float> want(3 * 24);
    args.y = want.data();
    kernels::reference::layer_norm(args);
    Guarded<float> got(3 * 24);
    RowsParams params;
    params.rows = count.data();
    params.parts = row.parts;
    params.width = 24 / row.parts;
    params.x = {x.data(), Stored::kF32};
    params.norm = row.norm;
    params.epsilon = 1e-6f;
    params.gamma = args.gamma;
    params.y = {got.data(), Stored::kF32};
    run(params, 3 * row.parts, 1);
    for (int64_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6);
  }
}

}  // namespace
}  // namespace tamis::cuda
