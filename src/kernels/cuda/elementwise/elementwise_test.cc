// Activations, sums and products on the emulator: the bits of the CPU's.
#include "kernels/cuda/elementwise/elementwise-inl.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/bf16.h"
#include "base/cpu.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;

constexpr int kColumns = 150;
constexpr int kRows = 9;

void run(const ElementwiseParams& params) {
  testing::run<device::ElementwiseKernel>(params, kRows + 1, 1, kElementwiseThreads, 0);
}

// All of them, on values from tiny to huge.
Guarded<float> values() {
  auto x = testing::random_floats(kRows * kColumns, 1, 1);
  for (int64_t i = 0; i < x.size(); ++i) x[i] *= std::pow(10.0f, static_cast<float>(i % 9) - 5);
  x[0] = 0;
  x[1] = -0.0f;
  x[2] = INFINITY;
  x[3] = -INFINITY;
  return x;
}

TEST(ElementwiseKernel, ActivatesWithTheCpusBits) {
  if (detected_isas() == isas_up_to("reference")) GTEST_SKIP() << "the reference row is in double";
  const auto x = values();
  const auto rows = testing::number(kRows);
  const kernels::ElementwiseKernel& kernel = kernels::select_elementwise(detected_isas());
  for (int a = 0; a <= static_cast<int>(Activation::kSqrtSoftplus); ++a) {
    const auto activation = static_cast<Activation>(a);
    Guarded<float> want(x.size());
    Guarded<float> got(x.size());
    kernel.activate(activation, x.size(), x.data(), want.data());
    ElementwiseParams params;
    params.activation = activation;
    params.rows = rows.data();
    params.columns = params.ldy = kColumns;
    params.x = {x.data(), Stored::kF32};
    params.y = {got.data(), Stored::kF32};
    run(params);
    int different = 0;
    for (int64_t i = 0; i < x.size(); ++i) {
      const bool both_nan = std::isnan(got[i]) && std::isnan(want[i]);
      if (!both_nan && device::bits_of(got[i]) != device::bits_of(want[i])) ++different;
    }
    EXPECT_EQ(different, 0) << activation_name(activation);
  }
}

TEST(ElementwiseKernel, NanStaysNan) {
  for (int a = 0; a <= static_cast<int>(Activation::kSqrtSoftplus); ++a) {
    const auto activation = static_cast<Activation>(a);
    EXPECT_TRUE(std::isnan(device::activate(activation, std::nanf(""))))
        << activation_name(activation);
  }
}

TEST(ElementwiseKernel, AddsAndMultipliesValuesRowsAndNumbers) {
  const auto x = testing::random_floats(kRows * kColumns, 1, 1);
  const auto other = testing::random_floats(kRows * kColumns, 1, 2);
  const auto rows = testing::number(kRows);
  struct Row {
    int row, column;
  };
  for (const Row& step : {Row{kColumns, 1}, Row{0, 1}, Row{0, 0}}) {
    for (const bool add : {true, false}) {
      Guarded<float> got(x.size());
      ElementwiseParams params;
      params.kind = add ? ElementwiseParams::Kind::kAdd : ElementwiseParams::Kind::kMultiply;
      params.rows = rows.data();
      params.columns = params.ldy = kColumns;
      params.x = {x.data(), Stored::kF32};
      params.other = other.data();
      params.other_row = step.row;
      params.other_column = step.column;
      params.y = {got.data(), Stored::kF32};
      run(params);
      for (int i = 0; i < kRows; ++i) {
        for (int j = 0; j < kColumns; ++j) {
          const float second = other[i * step.row + j * step.column];
          const float first = x[i * kColumns + j];
          EXPECT_EQ(got[i * kColumns + j], add ? first + second : first * second);
        }
      }
    }
  }
}

TEST(ElementwiseKernel, ChoosesRows) {
  const auto x = testing::random_floats(kRows * kColumns, 1, 1);
  const auto other = testing::random_floats(kRows * kColumns, 1, 2);
  const auto rows = testing::number(kRows);
  Guarded<int32_t> chosen(kRows);
  for (int i = 0; i < kRows; ++i) chosen[i] = i % 3 == 1 ? 1 : 0;
  Guarded<float> got(x.size());
  ElementwiseParams params;
  params.kind = ElementwiseParams::Kind::kChoose;
  params.rows = rows.data();
  params.chosen = chosen.data();
  params.columns = params.ldy = params.other_row = kColumns;
  params.x = {x.data(), Stored::kF32};
  params.other = other.data();
  params.y = {got.data(), Stored::kF32};
  run(params);
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      const int at = i * kColumns + j;
      EXPECT_EQ(got[at], i % 3 == 1 ? other[at] : x[at]);
    }
  }
}

TEST(ElementwiseKernel, RoundsIntoPaddedRows) {
  const auto x = testing::random_floats(kRows * 5, 1, 1);
  const auto rows = testing::number(kRows);
  Guarded<uint16_t> got(kRows * 8);
  ElementwiseParams params;
  params.rows = rows.data();
  params.columns = 5;
  params.ldy = 8;
  params.x = {x.data(), Stored::kF32};
  params.y = {got.data(), Stored::kB16};
  run(params);
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < 8; ++j) {
      EXPECT_EQ(got[i * 8 + j], j < 5 ? float_to_bf16(x[i * 5 + j]) : uint16_t{0});
    }
  }
}

}  // namespace
}  // namespace tamis::cuda
