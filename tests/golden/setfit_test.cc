// Folders of SetFit against its predict_proba (testdata/README.md). The probabilities are
// scikit-learn's within 1e-5: of logits up to 20, which float32 knows to 2e-6.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/test_util.h"
#include "model/loaded_model.h"
#include "tests/support/gzip_file.h"

namespace tamis {
namespace {

constexpr double kTolerance = 1e-5;
const std::filesystem::path kRoot = TAMIS_TESTDATA "/setfit";

std::shared_ptr<const api::LoadedModel> load(const std::filesystem::path& folder,
                                             const api::ModelOptions& options = {}) {
  return api::LoadedModel::load(api::resolve_model(folder.string()), options);
}

class SetFit : public testing::TestWithParam<std::string> {};

void expect_row(const TaskResult& result, JsonView row) {
  const auto& found = std::get<ClassifyResult>(result);
  const JsonView wanted = row.get("probabilities");
  ASSERT_EQ(found.scores.size(), wanted.size());
  EXPECT_EQ(found.scores.front().label, row.get("label").as_string("label"));
  for (const LabelScore& score : found.scores) {
    EXPECT_NEAR(score.score, wanted.at(static_cast<size_t>(score.id)).as_double("probabilities"),
                kTolerance)
        << score.label;
  }
}

TEST_P(SetFit, GivesTheRecordedProbabilities) {
  const std::string source = (kRoot / GetParam() / "golden.json.gz").string();
  const JsonDocument document = JsonDocument::parse(test::read_gzip(source), source);
  const JsonView cases = document.root().get("cases");
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    SCOPED_TRACE(isa_name(isa));
    api::ModelOptions options;
    options.isas = isas_up_to(isa_name(isa));
    const auto model = load(kRoot / GetParam(), options);
    EXPECT_EQ(model->task(), tasks::TaskKind::kClassify);
    std::vector<tasks::TaskInput> together;
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(cat("case ", i));
      const tasks::TaskInput input{std::string(cases.at(i).get("text").as_string("text"))};
      expect_row(model->run({input}, ClassifyOptions{}, 4096).at(0), cases.at(i));
      together.push_back(input);
    }
    const auto results = model->run(together, ClassifyOptions{}, 4096);
    for (size_t i = 0; i < results.size(); ++i) expect_row(results[i], cases.at(i));
  }
}

TEST_P(SetFit, EmbedsWhereThatIsAsked) {
  api::ModelOptions options;
  options.task = tasks::TaskKind::kEmbed;
  const auto model = load(kRoot / GetParam(), options);
  const auto result = model->run({{"A lighthouse."}}, EmbedOptions{}, 64);
  EXPECT_EQ(static_cast<int64_t>(std::get<EmbedResult>(result[0]).embedding.size()),
            model->manifest().output_size);
}

INSTANTIATE_TEST_SUITE_P(All, SetFit, testing::Values("binary", "multi", "static"));

TEST(SetFitFolder, NeedsAHeadThatFits) {
  const TempFolder folder;
  std::filesystem::copy(kRoot / "binary", folder.path(), std::filesystem::copy_options::recursive);
  folder.write("model_head.pkl", read_file(kRoot / "heads" / "two.pkl"));
  expect_error(ErrorCode::kCorruptData, "coef_ of 3 features behind an embedding of 16",
               [&] { (void)load(folder.path()); });
}

}  // namespace
}  // namespace tamis
