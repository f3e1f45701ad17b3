// Simulated marks against integers multiplied out by hand.
#include "engines/simulate/simulate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/simulate/simulate_engine.h"
#include "kernels/reference/quantize.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::simulate {
namespace {

namespace reference = kernels::reference;
using engine::FloatInput;
using engine::Outputs;
using engine::PackedBatch;
using graph::Dim;
using graph::Operand;
using graph::OpKind;
using graph::QuantScheme;
using graph::Symbol;
using graph::ValueId;

constexpr int64_t kWidth = 12;
constexpr int64_t kOut = 8;

std::shared_ptr<Tensor> random_tensor(const Shape& shape, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  auto tensor = std::make_shared<Tensor>(DType::kF32, shape);
  for (float& value : tensor->mutable_as<float>()) value = normal(engine);
  return tensor;
}

template <typename T>
std::shared_ptr<Tensor> tensor_of(const Shape& shape, const std::vector<T>& values) {
  auto tensor = std::make_shared<Tensor>(kDTypeOf<T>, shape);
  std::copy(values.begin(), values.end(), tensor->template mutable_as<T>().begin());
  return tensor;
}

graph::Quantizer mark(graph::Operand operand, QuantScheme scheme) {
  graph::Quantizer made;
  made.operand = operand;
  made.scheme = scheme;
  made.enabled = true;
  made.names = {cat("quantizer_", graph::operand_name(operand))};
  return made;
}

/// A graph whose float input "x" [T, kWidth] a test feeds.
struct Fixture {
  Fixture() { x = graph.add_input("x", DType::kF32, {Dim::of(Symbol::kTokens), Dim::of(kWidth)}); }
  ValueId add(OpKind op, std::vector<ValueId> inputs, graph::Attributes attributes,
              std::vector<graph::Quantizer> marks) {
    const ValueId id = graph.add_node(op, std::move(inputs), std::move(attributes), "scope");
    graph.nodes().back().quantizers = std::move(marks);
    return id;
  }
  std::vector<float> run(ValueId output, int threads = 1,
                         const engine::EngineRow& row = simulate::row()) {
    graph::Graph whole = graph;
    whole.add_output("y", output);
    engine::EngineOptions options;
    options.pool = std::make_shared<ThreadPool>(threads);
    const auto session = row.make(std::move(whole), options)->make_session();
    const std::vector<int32_t> ids(static_cast<size_t>(tokens()), 0);
    const FloatInput inputs[] = {{"x", rows->as<float>().data()}};
    PackedBatch batch;
    batch.input_ids = ids;
    batch.cu_seqlens = cu_seqlens;
    batch.max_seqlen = 4;
    batch.float_inputs = inputs;
    Outputs outputs;
    session->run(batch, outputs);
    const auto values = outputs.get("y").as<float>();
    return {values.begin(), values.end()};
  }
  [[nodiscard]] int64_t tokens() const { return cu_seqlens.back(); }
  [[nodiscard]] std::span<const float> row(int64_t t) const {
    return rows->as<float>().subspan(static_cast<size_t>(t * kWidth), kWidth);
  }

  graph::Graph graph;
  ValueId x = graph::kNoValue;
  std::vector<int32_t> cu_seqlens = {0, 3, 4, 8};
  std::shared_ptr<Tensor> rows = random_tensor({8, kWidth}, 1);
};

struct RowRange {
  float scale = 0;
  float low = 0;
};

RowRange quantize_row(std::span<const float> x, const float* multiplier, const float* offset,
                      std::vector<uint8_t>& q) {
  RowRange range;
  kernels::QuantizeRowsArgs args;
  args.rows = 1;
  args.width = args.ldx = args.ldq = kWidth;
  args.x = x.data();
  args.multiply = multiplier;
  args.offset = offset;
  args.q = q.data();
  args.scale = &range.scale;
  args.low = &range.low;
  reference::quantize_rows(args);
  return range;
}

double near_zero(double magnitude) {
  // A float GEMM of kWidth terms against exact sums of the same floats.
  return magnitude * kWidth * 0x1p-23;
}

TEST(Simulation, OfALinearLayerIsItsIntegersMultipliedOut) {
  Fixture f;
  const auto weight = random_tensor({kOut, kWidth}, 2);
  const ValueId y =
      f.add(OpKind::kMatMul, {f.x, f.graph.add_constant("w", weight)}, graph::MatMulAttributes{},
            {mark(Operand::kX, QuantScheme::kPerTokenU8),
             mark(Operand::kWeight, QuantScheme::kPerChannelS8)});
  const std::vector<float> got = f.run(y);
  for (int64_t t = 0; t < f.tokens(); ++t) {
    std::vector<uint8_t> q(kWidth);
    const RowRange range = quantize_row(f.row(t), nullptr, nullptr, q);
    for (int64_t i = 0; i < kOut; ++i) {
      std::vector<int8_t> w(kWidth);
      const float scale = reference::quantize_weight_row(
          weight->as<float>().subspan(static_cast<size_t>(i * kWidth), kWidth), w);
      int64_t dot = 0;
      int64_t sum = 0;
      for (size_t j = 0; j < kWidth; ++j) {
        dot += int64_t{q[j]} * w[j];
        sum += w[j];
      }
      // The integer kernel's epilogue: d D acc + lo D sum(qw).
      const double want = double{scale} * (double{range.scale} * static_cast<double>(dot) +
                                           double{range.low} * static_cast<double>(sum));
      EXPECT_NEAR(got[static_cast<size_t>(t * kOut + i)], want, near_zero(10));
    }
  }
}

// What each expert of a row reads has a range of its own.
TEST(Simulation, OfExpertsQuantizesEachOnesRows) {
  Fixture f;
  const ValueId router = f.graph.add_constant("router", random_tensor({3, kWidth}, 3));
  const ValueId routes =
      f.add(OpKind::kRouteTokens, {f.x, router}, graph::RouteTokensAttributes{2}, {});
  // x as two rows of half its width.
  const ValueId weight = f.graph.add_constant("w", random_tensor({3 * kOut, kWidth / 2}, 2));
  const ValueId y =
      f.add(OpKind::kExpertMatMul, {f.x, weight, routes}, graph::ExpertMatMulAttributes{3},
            {mark(Operand::kX, QuantScheme::kPerTokenU8),
             mark(Operand::kWeight, QuantScheme::kPerChannelS8)});
  const std::vector<float> simulated = f.run(y);
  const std::vector<float> integers = f.run(y, 1, cpu::row());
  ASSERT_EQ(simulated.size(), integers.size());
  for (size_t i = 0; i < integers.size(); ++i) {
    EXPECT_NEAR(simulated[i], integers[i], near_zero(10)) << i;
  }
}

// Shift, multiplier, outlier columns, integer weight and bias: all of what a treatment leaves.
TEST(Simulation, OfATreatedLinearLayerFollowsTheFormula) {
  Fixture f;
  std::vector<int8_t> qw(kOut * kWidth);
  for (size_t i = 0; i < qw.size(); ++i) qw[i] = static_cast<int8_t>((i * 37) % 255 - 127);
  const std::vector<int32_t> columns = {2, 9};
  for (int64_t i = 0; i < kOut; ++i) {
    for (const int32_t c : columns) qw[static_cast<size_t>(i * kWidth + c)] = 0;
  }
  const auto scale = tensor_of<float>({kOut}, std::vector<float>(kOut, 0.01f));
  const auto multiplier = random_tensor({kWidth}, 3);
  const auto offset = random_tensor({kWidth}, 4);
  for (const int32_t c : columns) {
    multiplier->mutable_as<float>()[static_cast<size_t>(c)] = 0;
    offset->mutable_as<float>()[static_cast<size_t>(c)] = 0;
  }
  const auto outlier_weight = random_tensor({kOut, 2}, 5);
  const auto bias = random_tensor({kOut}, 6);
  graph::Graph& g = f.graph;
  const ValueId y = f.add(
      OpKind::kQuantizedMatMul,
      {f.x, g.add_constant("w", tensor_of<int8_t>({kOut, kWidth}, qw)), g.add_constant("b", bias),
       graph::kNoValue, g.add_constant("w.scale", scale), g.add_constant("m", multiplier),
       g.add_constant("z", offset), g.add_constant("oc", tensor_of<int32_t>({2}, columns)),
       g.add_constant("ow", outlier_weight)},
      graph::MatMulAttributes{}, {mark(Operand::kX, QuantScheme::kPerTokenU8)});
  const std::vector<float> got = f.run(y);
  for (int64_t t = 0; t < f.tokens(); ++t) {
    std::vector<uint8_t> q(kWidth);
    const RowRange range =
        quantize_row(f.row(t), multiplier->as<float>().data(), offset->as<float>().data(), q);
    for (int64_t i = 0; i < kOut; ++i) {
      double want = bias->as<float>()[static_cast<size_t>(i)];
      for (size_t j = 0; j < kWidth; ++j) {
        want += 0.01f * static_cast<double>(qw[static_cast<size_t>(i) * kWidth + j]) *
                (double{range.scale} * q[j] + range.low);
      }
      for (size_t c = 0; c < 2; ++c) {
        want += double{f.row(t)[static_cast<size_t>(columns[c])]} *
                outlier_weight->as<float>()[static_cast<size_t>(i) * 2 + c];
      }
      EXPECT_NEAR(got[static_cast<size_t>(t * kOut + i)], want, near_zero(30));
    }
  }
  EXPECT_EQ(got, f.run(y, 3)) << "the same bits on any number of threads";
}

TEST(Simulation, OfStaticRangesClampsAndNeedsThem) {
  for (const QuantScheme scheme : {QuantScheme::kStaticS8, QuantScheme::kStaticU8}) {
    Fixture f;
    graph::Quantizer left = mark(Operand::kX, scheme);
    left.low = -0.5f;
    left.high = 0.5f;
    const ValueId zero =
        f.graph.add_constant("zero", std::make_shared<Tensor>(DType::kF32, Shape{kWidth}));
    const ValueId y = f.add(OpKind::kAdd, {f.x, zero}, graph::NoAttributes{}, {left});
    const std::vector<float> got = f.run(y);
    const float step = scheme == QuantScheme::kStaticS8 ? 0.5f / 127 : 1.0f / 255;
    for (size_t i = 0; i < got.size(); ++i) {
      // s8 reaches one step below -high; u8's zero point moves the range by half a step.
      const float x = std::clamp(f.rows->as<float>()[i], -0.5f, 0.5f);
      EXPECT_NEAR(got[i], x, step * 1.01f);
    }
    f.graph.nodes().back().quantizers[0].low.reset();
    f.graph.nodes().back().quantizers[0].high.reset();
    try {
      (void)f.run(y);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()),
                "simulation: the quantizer \"quantizer_x\" is on and static but has no range; "
                "calibrate it or switch it off");
    }
  }
}

// Attention in parts with marks on its products equals the fused op with the same marks.
TEST(Simulation, OfAttentionIsTheSameFusedAndInParts) {
  for (const QuantScheme scheme : {QuantScheme::kPerTokenU8, QuantScheme::kPerTokenS8}) {
    Fixture f;
    const graph::AttentionAttributes attributes{3, 0.5f};
    const ValueId scores = f.add(OpKind::kAttentionScores, {f.x, f.x}, attributes,
                                 {mark(Operand::kQ, scheme), mark(Operand::kK, scheme)});
    const ValueId p = f.add(OpKind::kSoftmax, {scores}, graph::NoAttributes{}, {});
    const ValueId parts = f.add(OpKind::kAttentionContext, {p, f.x}, attributes,
                                {mark(Operand::kProbabilities, scheme), mark(Operand::kV, scheme)});
    const ValueId fused = f.add(OpKind::kAttention, {f.x, f.x, f.x}, attributes,
                                {mark(Operand::kQ, scheme), mark(Operand::kK, scheme),
                                 mark(Operand::kV, scheme), mark(Operand::kProbabilities, scheme)});
    const std::vector<float> a = f.run(parts);
    const std::vector<float> b = f.run(fused);
    const ValueId exact = f.add(OpKind::kAttention, {f.x, f.x, f.x}, attributes, {});
    const std::vector<float> c = f.run(exact);
    double difference = 0;
    double error = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference = std::max(difference, std::abs(double{a[i]} - b[i]));
      error = std::max(error, std::abs(double{a[i]} - c[i]));
    }
    // Both round the same numbers; a probability that lies on an edge may round either way, which
    // moves a result by at most a level of one value.
    EXPECT_LT(difference, 3.0 / 255);
    EXPECT_GT(error, 1e-4) << "the marks did something";
    EXPECT_LT(error, 0.1);
  }
}

TEST(Simulation, OfAMergedAttentionQuantizesEachThird) {
  Fixture f;
  const graph::AttentionAttributes attributes{2, 0.5f};
  // x holds q, k and v of width 4.
  const ValueId y = f.add(
      OpKind::kAttention, {f.x}, attributes,
      {mark(Operand::kQ, QuantScheme::kPerTokenU8), mark(Operand::kV, QuantScheme::kPerTokenU8)});
  graph::Graph whole = f.graph;
  whole.add_output("y", y);
  simulate_marks(whole);
  const std::string text = graph::print(whole);
  EXPECT_NE(text.find("scheme=per_token_u8, groups=2, first_column=0, columns=4"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("scheme=per_token_u8, groups=2, first_column=8, columns=4"),
            std::string::npos)
      << text;
  EXPECT_EQ(f.run(y).size(), 8u * 4);
}

TEST(FloatInputs, MustComeWithTheBatch) {
  Fixture f;
  graph::Graph whole = f.graph;
  whole.add_output("y", whole.add_node(OpKind::kAdd, {f.x, f.x}, graph::NoAttributes{}, "sum"));
  engine::EngineOptions options;
  options.pool = std::make_shared<ThreadPool>(1);
  const auto session = simulate::row().make(std::move(whole), options)->make_session();
  const std::vector<int32_t> ids(8, 0);
  PackedBatch batch;
  batch.input_ids = ids;
  batch.cu_seqlens = f.cu_seqlens;
  batch.max_seqlen = 4;
  Outputs outputs;
  try {
    session->run(batch, outputs);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "batch: no rows for the input \"x\" (F32[T, 12])");
  }
}

}  // namespace
}  // namespace tamis::engines::simulate
