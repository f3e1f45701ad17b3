// The treatments one by one, and a small encoder through all of them.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "engine/engine.h"
#include "passes/pipeline.h"
#include "quant/centre_attention.h"
#include "quant/channel_scale.h"
#include "quant/gptq.h"
#include "quant/marks.h"
#include "quant/moments.h"
#include "quant/partial_run.h"
#include "quant/plain_plan.h"
#include "quant/run_test_util.h"

namespace tamis::quant {
namespace {

/// A layer [rows, columns] with correlated inputs and two columns fifty times as large.
struct Layer {
  static constexpr int64_t kRows = 24;
  static constexpr int64_t kColumns = 40;
  static constexpr size_t kTokens = 600;

  Layer() : weight(normals(kRows * kColumns, 1)), bias(normals(kRows, 2)) {
    const std::vector<float> base = normals(kTokens * kColumns, 3);
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t j = 0; j < kColumns; ++j) {
        float value = base[t * kColumns + j] + base[t * kColumns + j / 2];
        if (j == 7 || j == 21) value = 50 * value + 30;
        x.push_back(value);
      }
    }
  }
  [[nodiscard]] LinearInput input() const {
    LinearInput made;
    made.rows = kRows;
    made.columns = kColumns;
    made.weight = weight;
    made.bias = bias;
    made.float_input = x;
    made.input = x;
    made.outlier_count = 2;
    return made;
  }
  std::vector<float> weight;
  std::vector<float> bias;
  std::vector<float> x;
};

TEST(Cholesky, TimesItselfIsTheMatrix) {
  for (const int64_t n : {1, 63, 64, 65, 150}) {
    const auto size = static_cast<size_t>(n);
    const std::vector<float> b = normals(size * size * 2, 5);
    std::vector<float> a(size * size, 0.0f);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) {
        for (size_t p = 0; p < 2 * size; ++p)
          a[i * size + j] += b[i * 2 * size + p] * b[j * 2 * size + p];
      }
    }
    ThreadPool pool(2);
    std::vector<float> l = a;
    ASSERT_TRUE(cholesky(l, n, pool));
    const std::vector<float> z = transposed_inverse(l, n, pool);
    // Sums of n terms of about 2 n each; the inverse multiplies by the condition, about 50 here.
    const double tolerance = 0x1p-23 * static_cast<double>(n) * 2 * static_cast<double>(n);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double product = 0;
        double identity = 0;
        for (size_t p = 0; p < size; ++p) {
          const double lower = p <= i ? l[i * size + p] : 0;
          if (p <= j) product += lower * l[j * size + p];
          identity += lower * z[j * size + p];
        }
        EXPECT_NEAR(product, a[i * size + j], tolerance) << n;
        EXPECT_NEAR(identity, i == j ? 1 : 0, 1e-3) << n;
      }
    }
  }
  std::vector<float> indefinite = {1, 2, 2, 1};
  ThreadPool pool(1);
  EXPECT_FALSE(cholesky(indefinite, 2, pool));
}

// The error that GPTQ minimises: (W - W^) H (W - W^)^T.
double output_error(const Layer& layer, const IntegerWeight& weight, const std::vector<float>& h) {
  double sum = 0;
  const size_t k = Layer::kColumns;
  for (size_t i = 0; i < Layer::kRows; ++i) {
    std::vector<double> off(k);
    for (size_t j = 0; j < k; ++j) {
      off[j] = layer.weight[i * k + j] - double{weight.scale[i]} * weight.q[i * k + j];
    }
    for (size_t a = 0; a < k; ++a) {
      for (size_t b = 0; b < k; ++b) sum += off[a] * h[a * k + b] * off[b];
    }
  }
  return sum;
}

TEST(Gptq, LosesLessThanRoundingAndIsTheSameOnAnyNumberOfThreads) {
  const Layer layer;
  ColumnMoments moments(Layer::kColumns);
  moments.add(layer.x);
  ThreadPool one(1);
  ThreadPool three(3);
  const std::vector<float> h = covariance(layer.x, moments.mean(), one);
  const IntegerWeight rounded = round_to_nearest(layer.weight, Layer::kRows);
  const IntegerWeight better = gptq(layer.weight, Layer::kRows, h, 0.001, one);
  EXPECT_EQ(better.scale, rounded.scale);
  EXPECT_LT(output_error(layer, better, h), 0.5 * output_error(layer, rounded, h));
  EXPECT_EQ(better.q, gptq(layer.weight, Layer::kRows, h, 0.001, three).q);
  // Nothing to go by: rounding to nearest.
  EXPECT_EQ(gptq(layer.weight, Layer::kRows, std::vector<float>(h.size(), 0.0f), 0, one).q,
            rounded.q);
}

TEST(ChannelScale, EachStepLowersTheNoise) {
  const Layer layer;
  ColumnMoments moments(Layer::kColumns);
  moments.add(layer.x);
  const std::vector<double> mean = moments.mean();
  const std::vector<double> variance = moments.variance();
  const std::vector<float> low(Layer::kColumns, -200.0f);
  const std::vector<float> high(Layer::kColumns, 260.0f);
  ThreadPool pool(2);
  for (const bool is_static : {false, true}) {
    LinearProblem problem;
    problem.rows = Layer::kRows;
    problem.columns = Layer::kColumns;
    problem.weight = layer.weight;
    problem.sample = layer.x;
    problem.mean = mean;
    problem.variance = variance;
    problem.is_static = is_static;
    problem.low = low;
    problem.high = high;
    const double plain = noise_of(problem, identity_scale(problem));
    const double closed = noise_of(problem, closed_form_scale(problem));
    const double optimized = noise_of(problem, optimized_scale(problem, pool));
    EXPECT_LT(optimized, closed) << is_static;
    if (is_static) continue;
    EXPECT_LT(closed, plain);
    EXPECT_EQ(pick_outliers(problem, 2), (std::vector<int32_t>{7, 21}));
    EXPECT_TRUE(pick_outliers(problem, 0).empty());
    const std::vector<int32_t> outliers = {7, 21};
    problem.outliers = outliers;
    EXPECT_LT(noise_of(problem, closed_form_scale(problem)), closed);
  }
}

// Before rounding, scale, shift and outlier columns change nothing: to 1e-5 of the output's size.
TEST(TreatLinear, IsEquivalentBeforeRounding) {
  const Layer layer;
  ThreadPool pool(2);
  Treatments treatments;
  treatments.gptq = treatments.bias_correction = false;
  const TreatedLinear treated = treat_linear(layer.input(), treatments, pool);
  ASSERT_EQ(treated.outlier_columns.size(), 2u);
  ASSERT_FALSE(treated.multiplier.empty());
  const size_t k = Layer::kColumns;
  for (size_t t = 0; t < 50; ++t) {
    for (size_t i = 0; i < Layer::kRows; ++i) {
      double want = layer.bias[i];
      double got = treated.bias[i];
      double size = 0;
      for (size_t j = 0; j < k; ++j) {
        const double x = layer.x[t * k + j];
        const double w = layer.weight[i * k + j];
        want += w * x;
        size += std::abs(w * x);
        const double m = treated.multiplier[j];
        if (m != 0) got += w / m * (m * x - treated.offset[j]);
      }
      for (size_t c = 0; c < 2; ++c) {
        const auto j = static_cast<size_t>(treated.outlier_columns[c]);
        got += double{treated.outlier_weight[i * 2 + c]} * layer.x[t * k + j];
      }
      EXPECT_NEAR(got, want, 1e-5 * size);
    }
  }
}

TEST(TreatLinear, KeepsOnlyWhatHelps) {
  const Layer layer;
  ThreadPool pool(2);
  const Treatments none{false, false, false, false, false};
  const TreatedLinear plain = treat_linear(layer.input(), none, pool);
  EXPECT_EQ(plain.error, plain.plain_error);
  EXPECT_TRUE(plain.multiplier.empty());
  double last = plain.error;
  for (const graph::QuantScheme scheme :
       {graph::QuantScheme::kPerTokenU8, graph::QuantScheme::kStaticS8}) {
    LinearInput input = layer.input();
    input.scheme = scheme;
    const TreatedLinear all = treat_linear(input, {}, pool);
    EXPECT_LT(all.error, 0.1 * all.plain_error) << graph::scheme_name(scheme);
    EXPECT_EQ(all.range.has_value(), scheme == graph::QuantScheme::kStaticS8);
    last = std::min(last, all.error);
  }
  EXPECT_LT(last, plain.error);
}

TEST(TreatLinear, RefusesWhatIsNotFinite) {
  Layer layer;
  layer.x[5] = NAN;
  ThreadPool pool(1);
  EXPECT_THROW((void)treat_linear(layer.input(), {}, pool), Error);
}

TEST(Quantize, MakesEveryMarkedLinearInteger) {
  const Texts texts(60);
  const engine::PackedBatch batches[] = {texts.batch()};
  for (const Scheme scheme : {Scheme::kNative, Scheme::kStatic, Scheme::kOrt}) {
    for (const bool fused : {true, false}) {
      SCOPED_TRACE(cat(name_of(kSchemeForms, {scheme}), fused ? " fused" : ""));
      const graph::Graph graph = marked(scheme, fused);
      ThreadPool one(1);
      ThreadPool three(3);
      const Quantized made = quantize(graph, batches, {}, one);
      EXPECT_EQ(made.report.linears.size(), fused ? 4u : 6u);
      EXPECT_EQ(made.report.sequences, 60);
      int integers = 0;
      for (const graph::Node& node : made.graph.nodes()) {
        integers += node.op == graph::OpKind::kQuantizedMatMul ? 1 : 0;
      }
      EXPECT_EQ(integers, fused ? 4 : 6);
      EXPECT_LT(relative_error(logits(made.graph, texts, true), float_logits(graph, texts)), 0.05);
      const Quantized again = quantize(graph, batches, {}, three);
      EXPECT_EQ(logits(again.graph, texts, true), logits(made.graph, texts, true));
      EXPECT_EQ(graph::print(again.graph), graph::print(made.graph));
    }
  }
}

// The integers of the simulation and of the integer engine are the same, so that what is measured
// in simulation is what runs, but for the inner value of the feed-forward part: the engine keeps it
// in half precision, an error of at most 2^-11 of each value.
TEST(Quantize, SimulatesWhatTheIntegerEngineRuns) {
  const Texts texts(60);
  const engine::PackedBatch batches[] = {texts.batch()};
  ThreadPool pool(2);
  const Quantized made = quantize(marked(Scheme::kNative), batches, {}, pool);
  const double difference =
      relative_error(logits(made.graph, texts, false), logits(made.graph, texts, true));
  EXPECT_LT(difference, 0x1p-11);
}

TEST(Quantize, GivesStaticMarksOfAttentionAndSumsTheirRanges) {
  const Texts texts(60);
  const engine::PackedBatch batches[] = {texts.batch()};
  graph::Graph graph = marked(Scheme::kStatic);
  apply_globs(graph, std::vector<std::string>{"*matmul_quantizer*", "*layernorm_quantizer*"}, {});
  ThreadPool pool(2);
  const Quantized made = quantize(graph, batches, {}, pool);
  EXPECT_TRUE(made.report.dead.empty());
  for (const QuantizerInfo& info : list_quantizers(made.graph)) {
    if (!info.enabled || info.scheme != graph::QuantScheme::kStaticS8) continue;
    EXPECT_TRUE(info.low && info.high) << info.name;
    EXPECT_EQ(*info.low, -*info.high) << info.name;
  }
  EXPECT_LT(relative_error(logits(made.graph, texts, true), float_logits(graph, texts)), 0.1);
}

TEST(Quantize, RefusesNoTextAndStopsWhenTold) {
  const graph::Graph graph = marked(Scheme::kNative);
  ThreadPool pool(1);
  try {
    (void)quantize(graph, {}, {}, pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "quantization: there is no text to calibrate on");
  }
  const Texts texts(3);
  const engine::PackedBatch batches[] = {texts.batch()};
  EXPECT_THROW((void)quantize(graph, batches, {}, pool, [](double) { return false; }), Error);
}

TEST(Quantize, TakesTextsThatAreAllTheSame) {
  Texts texts(0);
  for (int i = 0; i < 20; ++i) {
    for (const int32_t id : {3, 5, 7}) texts.ids.push_back(id);
    texts.cu_seqlens.push_back(static_cast<int32_t>(texts.ids.size()));
  }
  const engine::PackedBatch batches[] = {texts.batch()};
  const graph::Graph graph = marked(Scheme::kNative);
  ThreadPool pool(2);
  const Quantized made = quantize(graph, batches, {}, pool);
  EXPECT_LT(relative_error(logits(made.graph, texts, true), float_logits(graph, texts)), 0.05);
}

TEST(PlainPlan, RoundsWeightsOnly) {
  const Texts texts(10);
  graph::Graph graph = marked(Scheme::kNative);
  const std::vector<float> want = logits(graph, texts, true);
  make_plain_plan(graph);
  EXPECT_EQ(logits(graph, texts, true), want) << "marks alone say the same";
  EXPECT_TRUE(quantizable_linears(graph).empty());
}

// Softmax takes no notice of what every key has, and an average moves with its values: the sums are
// rounded elsewhere, 2^-24 of their size each, over some tens of steps.
TEST(CentreAttention, ChangesNoAnswerAndLeavesNoMean) {
  const Texts texts(40);
  ThreadPool pool(2);
  const graph::Graph before = marked(Scheme::kNative);
  graph::Graph after = before;
  centre_attention(after, texts.batch(), pool);
  EXPECT_LT(relative_error(float_logits(after, texts), float_logits(before, texts)), 1e-5);
  for (graph::Node& node : after.nodes()) node.quantizers.clear();
  const engine::PackedBatch batch = texts.batch();
  PartialRun run(after, batch, pool);
  int attentions = 0;
  for (const graph::Node& node : after.nodes()) {
    if (node.op != graph::OpKind::kAttention) continue;
    ++attentions;
    ColumnMoments moments(24);
    moments.add(run.get(after.value(node.operand(graph::Operand::kQ)).name));
    double queries = 0;
    for (size_t j = 0; j < 24; ++j) {
      if (j < 8) queries += std::abs(moments.mean()[j]);
      EXPECT_NEAR(j < 8 ? 0 : moments.mean()[j], 0, 1e-5);
    }
    EXPECT_GT(queries, 0.1) << "queries stay as they are";
  }
  EXPECT_EQ(attentions, 1);
}

// Keys times position tables would change by another number for each distance.
TEST(CentreAttention, LeavesKeysThatPositionTablesMultiply) {
  const Texts texts(40);
  ThreadPool pool(2);
  graph::Graph before = marked(Scheme::kNative);
  Tensor table(DType::kF32, Shape{8, 8});
  std::fill(table.mutable_as<float>().begin(), table.mutable_as<float>().end(), 0.5f);
  const graph::ValueId queries =
      before.add_constant("position_queries", std::make_shared<const Tensor>(std::move(table)));
  for (graph::Node& node : before.nodes()) {
    if (node.op != graph::OpKind::kAttention) continue;
    node.set_operand(graph::Operand::kPositionQueries, queries);
    std::get<graph::AttentionAttributes>(node.attributes).max_relative_positions = 4;
  }
  graph::verify(before);
  graph::Graph after = before;
  centre_attention(after, texts.batch(), pool);
  for (size_t i = 0; i < before.value_count(); ++i) {
    const auto id = static_cast<graph::ValueId>(i);
    EXPECT_EQ(after.value(id).constant, before.value(id).constant) << before.value(id).name;
  }
}

// What never changes: rows of one value, and of zeros.
TEST(TreatLinear, TakesConstantActivations) {
  ThreadPool pool(2);
  for (const float constant : {0.0f, 2.5f}) {
    Layer layer;
    std::fill(layer.x.begin(), layer.x.end(), constant);
    for (const graph::QuantScheme scheme :
         {graph::QuantScheme::kPerTokenU8, graph::QuantScheme::kStaticS8,
          graph::QuantScheme::kStaticU8}) {
      LinearInput input = layer.input();
      input.scheme = scheme;
      const TreatedLinear treated = treat_linear(input, {}, pool);
      // The corrected bias gives the one output there is; 0 of any range is exact.
      EXPECT_LT(treated.error, 1e-8 * (1 + constant)) << graph::scheme_name(scheme);
      for (const float bias : treated.bias) EXPECT_TRUE(std::isfinite(bias));
      for (const float m : treated.multiplier) EXPECT_TRUE(std::isfinite(m));
      for (const float scale : treated.weight.scale) EXPECT_TRUE(std::isfinite(scale));
    }
  }
}

// A static quantizer that saw nothing finite, or zeros alone, has no range to take: it is named,
// and gets one.
TEST(Quantize, NamesDeadQuantizersAndGivesThemARange) {
  const Texts texts(10);
  const engine::PackedBatch batches[] = {texts.batch()};
  graph::Graph graph = marked(Scheme::kStatic);
  apply_globs(graph, std::vector<std::string>{"*layernorm_quantizer*"},
              std::vector<std::string>{"*_input_quantizer", "*_weight_quantizer"});
  const auto fill = [&graph](const char* name, float value) {
    graph::Value& constant = graph.value(graph.find_value(name));
    const auto count = static_cast<size_t>(constant.constant->elements());
    constant.constant = std::make_shared<const Tensor>(
        Tensor::from(constant.constant->shape(), std::vector<float>(count, value)));
  };
  ThreadPool pool(2);
  for (const auto& [observer, value] :
       {std::pair("max", NAN), std::pair("percentile", NAN), std::pair("mse", NAN),
        std::pair("max", 0.0f), std::pair("percentile", 0.0f), std::pair("mse", 0.0f)}) {
    SCOPED_TRACE(cat(observer, " of ", value));
    fill("o", 0);
    fill("o.bias", value);
    QuantizeOptions options;
    options.observer = observer;
    const Quantized made = quantize(graph, batches, options, pool);
    const std::vector<std::string>& dead = made.report.dead;
    EXPECT_EQ(std::count(dead.begin(), dead.end(), "m.0.output.layernorm_quantizer_0"), 1);
    EXPECT_EQ(std::count(dead.begin(), dead.end(), "m.0.output.layernorm_quantizer_1"), 0)
        << "the other operand is what it was";
    int found = 0;
    for (const QuantizerInfo& info : list_quantizers(made.graph)) {
      if (info.name != "m.0.output.layernorm_quantizer_0") continue;
      ++found;
      EXPECT_EQ(info.low, -1.0f);
      EXPECT_EQ(info.high, 1.0f);
    }
    EXPECT_EQ(found, 1) << observer;
  }
}

TEST(Extract, ContinuesFromKnownValues) {
  const graph::Graph graph = graph_of(bert_layer_text());
  const std::string target = "y";
  const std::vector<std::string> known = {"n"};
  const graph::Graph part = extract(graph, {&target, 1}, known);
  graph::verify(part);
  EXPECT_EQ(part.inputs().size(), 1u);
  EXPECT_EQ(part.value(part.inputs()[0]).name, "n");
  EXPECT_EQ(part.nodes().size(), 7u);
}

}  // namespace
}  // namespace tamis::quant
