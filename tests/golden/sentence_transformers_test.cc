// sentence-transformers folders: pooling and Dense in the graph, normalization behind it, against
// what SentenceTransformer.encode answered.
#include <gtest/gtest.h>

#include <algorithm>

#include "formats/sentence_transformers.h"
#include "models/models.h"
#include "passes/pipeline.h"
#include "tests/golden/golden.h"

namespace tamis::golden {
namespace {

class SentenceTransformer : public testing::TestWithParam<std::string> {};

TEST_P(SentenceTransformer, EmbedsAsRecorded) {
  const std::filesystem::path folder = std::filesystem::path(TAMIS_TESTDATA) / GetParam();
  const SentenceTransformerConfig config = read_sentence_transformer(folder);
  const auto checkpoint = Checkpoint::open(config.transformer_folder);
  models::BuiltModel model = models::build_model(*checkpoint, {std::nullopt, config});
  passes::run_pipeline(model.graph);
  Golden golden = read_golden(folder);
  // Pooling that leaves a prompt's tokens out is not a property of the graph; tasks refuses it.
  if (!config.pooling->include_prompt) {
    std::erase_if(golden.cases, [](const Case& c) { return c.has_prompt; });
  }
  EXPECT_EQ(model.normalize, golden.normalized);
  ASSERT_FALSE(golden.cases.empty());
  ThreadPool pool(2);
  for (const Isa isa : host_isas()) {
    SCOPED_TRACE(isa_name(isa));
    const auto results = run_together(make_subject(model.graph, isa), pool, golden.cases);
    for (size_t i = 0; i < results.size(); ++i) {
      const Case& c = golden.cases[i];
      const Recorded& raw = c.outputs.at("raw_sentence_embedding");
      const std::vector<float>& ours = results[i].at("sentence_embedding");
      EXPECT_LE(max_difference(ours, raw.values), tolerance(checkpoint->config(), c, raw))
          << "case " << i;
      const Recorded& whole = c.outputs.at("sentence_embedding");
      if (!model.normalize || whole.values.size() != ours.size()) continue;  // cut to dimensions
      EXPECT_LE(max_difference(normalized(ours), whole.values),
                tolerance(checkpoint->config(), c, whole))
          << "case " << i;
    }
  }
}

TEST(SentenceTransformers, AreAllHere) {
  EXPECT_GE(golden_folders("sentence-transformers").size(), 20u);
}

INSTANTIATE_TEST_SUITE_P(All, SentenceTransformer,
                         testing::ValuesIn(golden_folders("sentence-transformers")),
                         [](const auto& row) {
                           std::string name = row.param.substr(row.param.find('/') + 1);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace tamis::golden
