// The real all-MiniLM-L6-v2 against sentence-transformers' recorded embeddings.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "tests/golden/golden.h"
#include "tests/support/test_paths.h"

namespace tamis::golden {
namespace {

constexpr double kTolerance = 1e-5;  // what users are promised, for components of unit vectors

class MiniLm : public testing::Test {
 protected:
  static graph::Graph fused_graph() {
    graph::Graph graph = models::build_model(*Checkpoint::open(test::model_folder())).graph;
    passes::run_pipeline(graph);
    return graph;
  }
  static double worst(const std::vector<Result>& results, std::span<const Case> cases) {
    double largest = 0;
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::vector<float> unit = normalized(results[i].at("sentence_embedding"));
      largest =
          std::max(largest, max_difference(unit, cases[i].outputs.at("sentence_embedding").values));
    }
    return largest;
  }
};

TEST_F(MiniLm, EmbedsAsSentenceTransformersDoes) {
  TAMIS_REQUIRE_MODEL();
  const Golden golden = read_golden(TAMIS_TESTDATA "/minilm");
  ASSERT_TRUE(golden.normalized);
  ASSERT_EQ(golden.cases.size(), 50u);
  const graph::Graph graph = fused_graph();
  ThreadPool pool(default_thread_count());
  for (const Isa isa : host_isas()) {
    // Plain loops are slow: three texts tell whether they are right.
    const size_t count = isa == Isa::kReference ? 3 : golden.cases.size();
    const std::span<const Case> cases(golden.cases.data(), count);
    const double difference = worst(run_together(make_subject(graph, isa), pool, cases), cases);
    EXPECT_LE(difference, kTolerance) << isa_name(isa);
    RecordProperty(std::string(isa_name(isa)), cat(difference));
  }
}

// Six layers of six products, each of two operands rounded value by value with a relative error r:
// taken as independent, the embedding is off by e = r sqrt(72) of its length, and its cosine with
// the recorded one is at least 1 - (2 e)^2 / 2, two standard deviations. r as in precision_test.cc.
TEST_F(MiniLm, EmbedsNearlyTheSameInBf16AndInt8) {
  TAMIS_REQUIRE_MODEL();
  const Golden golden = read_golden(TAMIS_TESTDATA "/minilm");
  ThreadPool pool(default_thread_count());
  struct Row {
    bool int8;
    double r;
  };
  for (const Row& row : {Row{false, 0x1p-9}, Row{true, 8.0 / 510 / std::sqrt(3.0)}}) {
    graph::Graph graph = models::build_model(*Checkpoint::open(test::model_folder())).graph;
    if (row.int8) quant::add_marks(graph);
    passes::run_pipeline(graph);
    graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
    const double least = 1 - 2 * row.r * row.r * 72;
    for (const Isa isa : all_isas()) {
      if (!detected_isas().has(isa)) continue;
      SCOPED_TRACE(cat(isa_name(isa), row.int8 ? ", int8" : ", bf16"));
      const size_t count = isa == Isa::kReference ? 3 : golden.cases.size();
      const std::span<const Case> cases(golden.cases.data(), count);
      const auto results = run_together(
          make_subject(graph, isa, row.int8 ? engine::Precision::kInt8 : engine::Precision::kBf16),
          pool, cases);
      double worst_cosine = 1;
      for (size_t i = 0; i < results.size(); ++i) {
        const std::vector<float> unit = normalized(results[i].at("sentence_embedding"));
        const std::vector<float>& recorded = cases[i].outputs.at("sentence_embedding").values;
        double cosine = 0;
        for (size_t d = 0; d < unit.size(); ++d) cosine += double{unit[d]} * recorded[d];
        worst_cosine = std::min(worst_cosine, cosine);
      }
      EXPECT_GE(worst_cosine, least);
      EXPECT_LT(worst_cosine, 1 - 1e-7) << "nothing was rounded";
      RecordProperty(cat(row.int8 ? "int8_" : "bf16_", isa_name(isa)), cat(worst_cosine));
    }
  }
}

TEST_F(MiniLm, GivesTheSameBitsInAnyBatchOnAnyThreads) {
  TAMIS_REQUIRE_MODEL();
  const Golden golden = read_golden(TAMIS_TESTDATA "/minilm");
  const auto subject = make_subject(fused_graph(), host_isas().back());
  ThreadPool alone(1);
  const std::vector<Result> expected = run_apart(subject, alone, golden.cases);
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    const std::vector<Result> together = run_together(subject, pool, golden.cases);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(same_bits(expected[i], together[i])) << "case " << i << ", " << threads;
    }
  }
}

}  // namespace
}  // namespace tamis::golden
