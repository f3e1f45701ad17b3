// Every committed checkpoint in BF16 and in plain INT8 against what transformers answered in
// float32: for each kernel set of this CPU, alone and batched, on several threads, and without the
// rows that nobody wants.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "tests/golden/golden.h"

namespace tamis::golden {
namespace {

using engine::Precision;

struct Rounded {
  Rounded(const std::string& folder, Precision wanted)
      : precision(wanted),
        golden(read_golden(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        checkpoint(Checkpoint::open(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        graph(models::build_model(*checkpoint).graph) {
    if (precision == Precision::kInt8) quant::add_marks(graph);
    passes::run_pipeline(graph);
    graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
  }

  // For the last output alone: without the rows that it does not need.
  [[nodiscard]] graph::Graph narrowed() const {
    graph::Graph narrow = graph;
    const std::vector<std::string> wanted = {narrow.outputs().back().name};
    narrow.keep_outputs(wanted);
    passes::run_pipeline(narrow, {}, passes::Stage::kLoad);
    return narrow;
  }

  [[nodiscard]] Subject subject(Isa isa, const graph::Graph& of) const {
    return make_subject(of, isa, precision);
  }

  Precision precision;
  Golden golden;
  std::shared_ptr<const Checkpoint> checkpoint;
  graph::Graph graph;
};

// The size of the sums that an output is made of, which may cancel: logits are products of hidden
// values of about unit size with rows of a weight, as large as the row's length.
double size_of_sums(const graph::Graph& graph, const std::string& output) {
  double largest = 0;
  for (const graph::GraphOutput& made : graph.outputs()) {
    if (made.name != output || graph.producer(made.value) < 0) continue;
    const graph::Node& node = graph.nodes()[static_cast<size_t>(graph.producer(made.value))];
    if (!graph::is_matmul(node)) continue;
    const graph::Value& weight = graph.value(node.operand(graph::Operand::kWeight));
    const auto k = static_cast<size_t>(weight.shape[1].size);
    const std::span<const float> values = weight.constant->as<float>();
    for (size_t i = 0; i < values.size(); i += k) {
      double squares = 0;
      for (const float w : values.subspan(i, k)) squares += double{w} * w;
      largest = std::max(largest, std::sqrt(squares));
    }
  }
  return largest;
}

// How far such an evaluation may lie from the float32 one. A layer has six products (q, k, v as
// one; scores; context; output; two of the feed-forward), each of two operands that are rounded
// independently, value by value, with a relative error r: 12 a layer and 4 more in the head. Taken
// as independent, an output's error has a standard deviation under r sqrt(roundings) times its
// magnitude; six of these.
//
//   bf16: half a unit in the last of 8 bits, r = 2^-9.
//   int8: half a level of 255 is 1 / 510 of a row's range, which is up to 2 times its greatest
//   value and that 4 standard deviations: errors up to 8 / 510 of what is typical in it, evenly
//   spread, r = 8 / 510 / sqrt(3).
double rounded_tolerance(const Rounded& model, const std::string& output,
                         const Recorded& recorded) {
  double magnitude = size_of_sums(model.graph, output);
  for (const float value : recorded.values) {
    magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  }
  const ModelConfig& config = model.checkpoint->config();
  const auto roundings =
      static_cast<double>(12 * config.num_hidden_layers * config.inner_group_num + 4);
  const double r = model.precision == Precision::kBf16 ? 0x1p-9 : 8.0 / 510 / std::sqrt(3.0);
  return recorded.f64_maxdiff + 6 * r * std::sqrt(roundings) * magnitude;
}

class GoldenPrecision : public testing::TestWithParam<std::string> {
 protected:
  static void expect_recorded(const Rounded& model, const std::vector<Result>& results) {
    double largest = 0;
    size_t compared = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Case& c = model.golden.cases[i];
      for (const auto& [name, recorded] : c.outputs) {
        const auto found = results[i].find(name);
        if (found == results[i].end()) continue;  // the pooler's output is not ours
        const double difference = max_difference(found->second, recorded.values);
        const double tolerance = rounded_tolerance(model, name, recorded);
        EXPECT_LE(difference, tolerance) << name << " of \"" << c.text.substr(0, 60) << "\"";
        largest = std::max(largest, difference / tolerance);
        compared += recorded.values.size();
      }
    }
    EXPECT_GT(compared, 0u);
    EXPECT_GT(largest, 1e-4) << "nothing was rounded";
    RecordProperty("share_of_tolerance", cat(largest));
  }

  static void expect_same_bits_in_any_batch(const Rounded& model, const Subject& subject) {
    ThreadPool alone(1);
    const std::vector<Result> expected = run_apart(subject, alone, model.golden.cases);
    for (const int threads : {1, 3, 8}) {
      ThreadPool pool(threads);
      const std::vector<Result> together = run_together(subject, pool, model.golden.cases);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(same_bits(expected[i], together[i])) << "case " << i << ", " << threads;
      }
    }
  }

  static void expect_same_bits_without_unwanted_rows(const Rounded& model, Isa isa,
                                                     const Subject& subject) {
    const Subject narrow = model.subject(isa, model.narrowed());
    ASSERT_EQ(narrow.graph.outputs().size(), 1u);
    const std::string output = narrow.graph.outputs()[0].name;
    ThreadPool pool(2);
    const std::vector<Result> want = run_together(subject, pool, model.golden.cases);
    const std::vector<Result> got = run_together(narrow, pool, model.golden.cases);
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(same_bits({{output, want[i].at(output)}}, got[i])) << "case " << i;
    }
  }

  static void expect_all(Precision precision) {
    const Rounded model(GetParam(), precision);
    for (const Isa isa : all_isas()) {
      if (!detected_isas().has(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      const auto subject = model.subject(isa, model.graph);
      ThreadPool pool(2);
      expect_recorded(model, run_together(subject, pool, model.golden.cases));
      expect_same_bits_in_any_batch(model, subject);
      expect_same_bits_without_unwanted_rows(model, isa, subject);
    }
  }
};

TEST_P(GoldenPrecision, Bf16AnswersNearTransformersInAnyBatch) { expect_all(Precision::kBf16); }

TEST_P(GoldenPrecision, Int8AnswersNearTransformersInAnyBatch) { expect_all(Precision::kInt8); }

INSTANTIATE_TEST_SUITE_P(All, GoldenPrecision, testing::ValuesIn(golden_folders("models")),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace tamis::golden
