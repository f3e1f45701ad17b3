// A bundle of any scheme gives every output of its model, not only its task's.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "formats/test_util.h"
#include "optimize/optimize.h"
#include "serve/batching/servable.h"

namespace tamis::serve {
namespace {

constexpr std::string_view kSentence = "sentence_embedding";
constexpr std::string_view kTokens = "token_embeddings";

std::vector<float> run(Servable& model, OutputSet set, std::string_view output) {
  const std::vector<int32_t> first = {2, 11, 12, 3};
  const std::vector<int32_t> second = {2, 9, 3};
  engine::BatchBuilder batch;
  batch.append({first, {}, {}, {}});
  batch.append({second, {}, {}, {}});
  engine::Outputs outputs;
  model.run(batch.batch(), set, outputs, {});
  const auto values = outputs.get(output).as<float>();
  return {values.begin(), values.end()};
}

class EveryScheme : public testing::TestWithParam<quant::Scheme> {};

TEST_P(EveryScheme, GivesTokenEmbeddingsBesideTheTasksOutput) {
  const TempFolder folder;
  const std::string checkpoint = TAMIS_TESTDATA "/models/bert-base";
  api::OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  options.model.scheme = GetParam();
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  const std::string bundle = (folder.path() / "bundle").string();
  (void)api::optimize(api::resolve_model(checkpoint), bundle, options);

  api::ModelOptions load;
  load.pool = options.model.pool;
  const auto model = load_servable(bundle, load);
  const std::vector<OutputInfo> infos = model->outputs(OutputSet::kTokens);
  ASSERT_EQ(infos.size(), 2U);
  for (const OutputInfo& info : infos) {
    SCOPED_TRACE(info.name);
    const bool by_token = info.name == kTokens;
    EXPECT_EQ(info.unit, by_token ? engine::RowUnit::kToken : engine::RowUnit::kSequence);
    EXPECT_EQ(static_cast<int64_t>(run(*model, OutputSet::kTokens, info.name).size()),
              (by_token ? 7 : 2) * info.row_elements);
  }
  const std::vector<float> tokens = run(*model, OutputSet::kTokens, kTokens);
  for (const float value : tokens) ASSERT_TRUE(std::isfinite(value));
  // The same integers in both sets.
  const std::vector<float> alone = run(*model, OutputSet::kTask, kSentence);
  const std::vector<float> beside = run(*model, OutputSet::kTokens, kSentence);
  ASSERT_EQ(alone.size(), beside.size());
  EXPECT_EQ(std::memcmp(alone.data(), beside.data(), alone.size() * sizeof(float)), 0);
  // And not those of fp32, which would be another model.
  const auto exact = load_servable(checkpoint, load);
  EXPECT_NE(run(*exact, OutputSet::kTokens, kTokens), tokens);
}

INSTANTIATE_TEST_SUITE_P(All, EveryScheme,
                         testing::Values(quant::Scheme::kNative, quant::Scheme::kStatic,
                                         quant::Scheme::kOrt),
                         [](const auto& test) {
                           return std::string(name_of(quant::kSchemeForms, {test.param}));
                         });

}  // namespace
}  // namespace tamis::serve
