// Every family through calibration: the tiny checkpoints, and the real MiniLM's figures.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "engine/engine.h"
#include "math/agreement.h"
#include "models/models.h"
#include "models/test_util.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "quant/plain_plan.h"

namespace tamis {
namespace {

/// Ids from 5 up, past what families reserve.
struct Ids {
  explicit Ids(int sequences, uint32_t seed = 12345) {
    uint32_t state = seed;
    for (int s = 0; s < sequences; ++s) {
      for (int t = 0; t < 4 + s % 9; ++t) {
        state = state * 1664525 + 1013904223;
        ids.push_back(5 + static_cast<int32_t>(state >> 16) % 370);
      }
      cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
    }
  }
  [[nodiscard]] engine::PackedBatch batch() const { return {ids, {}, {}, cu_seqlens, {}, 12}; }
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens = {0};
};

std::vector<float> last_output(const graph::Graph& graph, const Ids& ids, bool simulate) {
  engine::EngineOptions options;
  options.simulate = simulate;
  options.pool = std::make_shared<ThreadPool>(2);
  const auto session = engine::make_engine(graph, options)->make_session();
  engine::Outputs outputs;
  session->run(ids.batch(), outputs);
  const auto rows = outputs.view(outputs.size() - 1).as<float>();
  return {rows.begin(), rows.end()};
}

class QuantizedModel : public testing::TestWithParam<const char*> {};

TEST_P(QuantizedModel, StaysCloseToFloatAndRunsAsSimulated) {
  const auto checkpoint = Checkpoint::open(models::testdata_model(GetParam()));
  graph::Graph graph = models::build_model(*checkpoint).graph;
  graph::Graph plain = graph;
  passes::run_pipeline(plain);
  quant::add_marks(graph);
  passes::run_pipeline(graph);
  const Ids calibration(80);
  const Ids unseen(11);
  const engine::PackedBatch batches[] = {calibration.batch()};
  ThreadPool pool(2);
  const quant::Quantized made = quant::quantize(graph, batches, {}, pool);
  // Two layers of four linear layers; ALBERT's two share all of them.
  const bool shared = std::string(GetParam()).find("albert") != std::string::npos;
  EXPECT_EQ(made.report.linears.size(), shared ? 4u : 8u);
  for (const quant::LinearReport& report : made.report.linears) {
    EXPECT_LE(report.error, report.plain_error) << report.names[0];
  }
  const std::vector<float> want = last_output(plain, unseen, false);
  const std::vector<float> simulated = last_output(made.graph, unseen, true);
  const std::vector<float> integers = last_output(made.graph, unseen, false);
  EXPECT_GT(math::cosine(want, simulated), 0.99);
  // The same integers, but for a value that lies on the edge between two: sums are rounded in
  // another order before it. Few logits of a random head show one such step several times as large
  // as hidden states do.
  const bool head = std::string(GetParam()).find("classification") != std::string::npos;
  EXPECT_GT(math::cosine(simulated, integers), head ? 0.9995 : 0.9999);
}

INSTANTIATE_TEST_SUITE_P(All, QuantizedModel,
                         testing::Values("bert-base", "bert-sequence-classification",
                                         "roberta-token-classification", "electra-base",
                                         "distilbert-base", "albert-base",
                                         "albert-sequence-classification", "xlm-roberta-base",
                                         "camembert-base"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// A classifier's plan drops rows behind the last attention: the integers and half-precision values
// that are left must be those of the plan for all rows.
TEST(FirstTokensAlone, IntegersGiveTheBitsOfAllRows) {
  for (const char* name : {"bert-sequence-classification", "electra-sequence-classification"}) {
    const auto checkpoint = Checkpoint::open(models::testdata_model(name));
    graph::Graph graph = models::build_model(*checkpoint).graph;
    quant::add_marks(graph);
    passes::run_pipeline(graph);
    quant::make_plain_plan(graph);
    for (const auto attention : {graph::FloatArithmetic::kF32, graph::FloatArithmetic::kBf16}) {
      graph::set_attention_arithmetic(graph, attention);
      graph::Graph narrow = graph;
      const std::string logits = "logits";
      narrow.keep_outputs({&logits, 1});
      passes::run_pipeline(narrow, {}, passes::Stage::kLoad);
      EXPECT_TRUE(std::any_of(narrow.nodes().begin(), narrow.nodes().end(), [&](const auto& node) {
        return node.op == graph::OpKind::kAttention &&
               narrow.value(node.output).shape.symbol() == graph::Symbol::kFirst;
      })) << name;
      const Ids unseen(11);
      EXPECT_EQ(last_output(narrow, unseen, false), last_output(graph, unseen, false)) << name;
    }
  }
}

// Multiplies elements of a constant in place of the graph's own copy: `stride` apart from `first`.
void scale_elements(graph::Graph& graph, graph::ValueId id, size_t first, size_t stride,
                    float factor) {
  const Tensor& old = *graph.value(id).constant;
  Tensor changed = Tensor::from(old.shape(), old.as<float>());
  const auto values = changed.mutable_as<float>();
  for (size_t i = first; i < values.size(); i += stride) values[i] *= factor;
  graph.value(id).constant = std::make_shared<const Tensor>(std::move(changed));
}

// What BERT and RoBERTa really have: two channels of every LayerNorm 60 times as large, the linear
// layers that read them making up for it, the residual keeping it.
graph::Graph with_planted_outliers(graph::Graph graph) {
  constexpr size_t kChannels[] = {3, 17};
  constexpr float kFactor = 60;
  for (const graph::Node& node : std::vector<graph::Node>(graph.nodes())) {
    const bool norm = node.op == graph::OpKind::kSkipLayerNormalization ||
                      node.op == graph::OpKind::kEmbedLayerNormalization;
    if (!norm) continue;
    const auto width = static_cast<size_t>(graph.value(node.output).shape[1].size);
    for (const size_t channel : kChannels) {
      scale_elements(graph, node.operand(graph::Operand::kGamma), channel, width, kFactor);
      scale_elements(graph, node.operand(graph::Operand::kBeta), channel, width, kFactor);
      for (const int reader : graph.consumers(node.output)) {
        const graph::Node& linear = graph.nodes()[static_cast<size_t>(reader)];
        if (linear.op != graph::OpKind::kMatMul) continue;
        scale_elements(graph, linear.operand(graph::Operand::kWeight), channel, width, 1 / kFactor);
      }
    }
  }
  return graph;
}

TEST(PlantedOutliers, RuinStaticMaximaButNotTheDefault) {
  const auto checkpoint = Checkpoint::open(models::testdata_model("bert-base"));
  const Ids calibration(80);
  const Ids unseen(40);
  const engine::PackedBatch batches[] = {calibration.batch()};
  ThreadPool pool(2);
  const auto error_of = [&](quant::Scheme scheme, const quant::QuantizeOptions& options) {
    graph::Graph graph = models::build_model(*checkpoint).graph;
    quant::add_marks(graph, scheme);
    passes::run_pipeline(graph);
    graph = with_planted_outliers(std::move(graph));
    graph::Graph plain = graph;
    for (graph::Node& node : plain.nodes()) node.quantizers.clear();
    const quant::Quantized made = quant::quantize(graph, batches, options, pool);
    return 1 -
           math::cosine(last_output(plain, unseen, false), last_output(made.graph, unseen, true));
  };
  quant::QuantizeOptions naive;
  naive.observer = "max";
  naive.treatments = {false, false, false, false, false};
  const double ruined = error_of(quant::Scheme::kStatic, naive);
  const double kept = error_of(quant::Scheme::kNative, {});
  EXPECT_LT(kept, 1e-3);
  EXPECT_GT(ruined, 20 * kept);
}

/// Rows of logits.
struct Logits {
  std::vector<float> values;
  size_t labels;
  [[nodiscard]] size_t rows() const { return values.size() / labels; }
  [[nodiscard]] std::span<const float> row(size_t i) const {
    return std::span(values).subspan(i * labels, labels);
  }
};

// Moves the classifier's bias so that every label is the greatest for its part of the texts: each
// logit less its median.
void balance(graph::Graph& graph, const Ids& texts, size_t labels) {
  graph::Graph plain = graph;
  for (graph::Node& node : plain.nodes()) node.quantizers.clear();
  const Logits logits{last_output(plain, texts, false), labels};
  const graph::ValueId output = graph.outputs().back().value;
  const graph::Node& head = graph.nodes()[static_cast<size_t>(graph.producer(output))];
  const Tensor& old = *graph.value(head.operand(graph::Operand::kBias)).constant;
  Tensor bias = Tensor::from(old.shape(), old.as<float>());
  for (size_t j = 0; j < labels; ++j) {
    std::vector<float> column;
    for (size_t i = 0; i < logits.rows(); ++i) column.push_back(logits.row(i)[j]);
    std::nth_element(column.begin(),
                     column.begin() + static_cast<std::ptrdiff_t>(column.size() / 2), column.end());
    bias.mutable_as<float>()[j] -= column[column.size() / 2];
  }
  graph.value(head.operand(graph::Operand::kBias)).constant =
      std::make_shared<const Tensor>(std::move(bias));
}

// Of a classifier's answers, those that integers change; every label is at least a fifth of them.
TEST(PlantedOutliers, FlipAnswersOfStaticMaximaButNotOfTheDefault) {
  const auto checkpoint = Checkpoint::open(models::testdata_model("bert-sequence-classification"));
  const Ids calibration(200);
  const Ids unseen(1000, 99);
  const engine::PackedBatch batches[] = {calibration.batch()};
  ThreadPool pool(2);
  const auto flips_of = [&](quant::Scheme scheme, const quant::QuantizeOptions& options) {
    graph::Graph graph = models::build_model(*checkpoint).graph;
    const auto labels = static_cast<size_t>(checkpoint->config().num_labels);
    quant::add_marks(graph, scheme);
    passes::run_pipeline(graph);
    graph = with_planted_outliers(std::move(graph));
    balance(graph, calibration, labels);
    graph::Graph plain = graph;
    for (graph::Node& node : plain.nodes()) node.quantizers.clear();
    const quant::Quantized made = quant::quantize(graph, batches, options, pool);
    const Logits want{last_output(plain, unseen, false), labels};
    const Logits got{last_output(made.graph, unseen, true), labels};
    std::vector<size_t> share(labels);
    double flips = 0;
    for (size_t i = 0; i < want.rows(); ++i) {
      const auto row = want.row(i);
      ++share[static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin())];
      flips += math::argmax_flips(want.row(i), got.row(i)) ? 1 : 0;
    }
    for (const size_t count : share) EXPECT_GE(count, want.rows() / 5);
    return flips / static_cast<double>(want.rows());
  };
  quant::QuantizeOptions naive;
  naive.observer = "max";
  naive.treatments = {false, false, false, false, false};
  EXPECT_GT(flips_of(quant::Scheme::kStatic, naive), 0.05);
  EXPECT_LT(flips_of(quant::Scheme::kNative, {}), 0.005);
}

}  // namespace
}  // namespace tamis
