// Real models on real data through the program: the figures that Python's stack gets.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "tests/cli/tamis_program.h"
#include "tests/support/test_paths.h"

namespace tamis::cli_test {
namespace {

double figure(const std::vector<std::string>& arguments, std::string_view key) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const JsonDocument document = JsonDocument::parse(outcome.out, "output");
  return document.root().get(key).as_double(key);
}

// PyTorch's fp32 gets 1632 of the 1821 texts right.
TEST(CliReal, ClassifiesSst2AsPyTorchDoes) {
  TAMIS_REQUIRE_SHARED("models/sst2-minilm");
  const auto shared = test::shared_folder();
  const double accuracy = figure({"eval", (shared / "models/sst2-minilm").string(), "--data",
                                  (shared / "data/sst2_test.tsv").string(), "--json"},
                                 "accuracy");
  EXPECT_EQ(std::lround(accuracy * 1821), 1632);
}

// sentence-transformers 6.2 and scipy.stats.spearmanr give 0.79738306 on these 2250 pairs. Cosines
// that differ by float rounding change places with a neighbor, which moves the figure by about
// 6 / n^3 a step: 1e-6 is over a thousand such steps.
TEST(CliReal, RanksSts2014AsSentenceTransformersDoes) {
  TAMIS_REQUIRE_MODEL();
  TAMIS_REQUIRE_SHARED("data/sts2014.tsv");
  const double spearman = figure({"eval", test::model_folder().string(), "--data",
                                  (test::shared_folder() / "data/sts2014.tsv").string(), "--json"},
                                 "spearman");
  EXPECT_NEAR(spearman, 0.79738306, 1e-6);
}

}  // namespace
}  // namespace tamis::cli_test
