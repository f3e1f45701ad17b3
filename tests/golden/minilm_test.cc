// The real all-MiniLM-L6-v2 in float32 against sentence-transformers' recorded embeddings.
#include <gtest/gtest.h>

#include "models/models.h"
#include "passes/pipeline.h"
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
    const double difference = worst(run_together(make_plan(graph, isa), pool, cases), cases);
    EXPECT_LE(difference, kTolerance) << isa_name(isa);
    RecordProperty(std::string(isa_name(isa)), cat(difference));
  }
}

TEST_F(MiniLm, GivesTheSameBitsInAnyBatchOnAnyThreads) {
  TAMIS_REQUIRE_MODEL();
  const Golden golden = read_golden(TAMIS_TESTDATA "/minilm");
  const auto plan = make_plan(fused_graph(), host_isas().back());
  ThreadPool alone(1);
  const std::vector<Result> expected = run_apart(plan, alone, golden.cases);
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    const std::vector<Result> together = run_together(plan, pool, golden.cases);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(same_bits(expected[i], together[i])) << "case " << i << ", " << threads;
    }
  }
}

}  // namespace
}  // namespace tamis::golden
