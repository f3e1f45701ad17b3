// Bundles of models that find entities over labels that come with the text (GLiNER).
#include <gtest/gtest.h>

#include <algorithm>

#include "formats/test_util.h"
#include "model/self_test.h"
#include "model/test_util.h"
#include "optimize/optimize.h"
#include "tasks/task_json.h"

namespace tamis::api {
namespace {

const std::string kModel = "gliner/bert";

tasks::NerOptions labelled() {
  tasks::NerOptions options;
  options.labels = {"person", "programming language", "city"};
  options.threshold = 0.3f;
  return options;
}

std::string answer(const LoadedModel& model) {
  return tasks::to_json(
      model.run({{"Ada Lovelace wrote in C++ and lived in London."}}, labelled(), 64).front());
}

OptimizeReport make(const std::string& folder, const std::optional<engine::Precision>& precision) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.model.precision = precision;
  options.seconds = 0;
  options.force = true;
  return optimize(resolve_model(testdata(kModel).string()), folder, options);
}

TEST(OptimizeLabels, ABundleAnswersAsItsCheckpoint) {
  const TempFolder folder;
  const std::string bundle = (folder.path() / "bundle").string();
  (void)make(bundle, engine::Precision::kFp32);
  const auto model = LoadedModel::load(resolve_model(bundle), on_threads(2));
  const auto checkpoint = load_checkpoint(kModel);
  EXPECT_EQ(model->manifest().span_labels, checkpoint->manifest().span_labels);
  EXPECT_EQ(answer(*model), answer(*checkpoint));
  EXPECT_NE(answer(*model).find("entity_group"), std::string::npos);
}

// The recorded row is one that reads labels: else nothing of the head would be tested.
TEST(OptimizeLabels, TheSelfTestReadsScores) {
  const SelfTest test = make_self_test(*load_checkpoint(kModel));
  ASSERT_FALSE(test.cases.empty());
  for (const SelfTestCase& item : test.cases) {
    EXPECT_TRUE(std::ranges::any_of(item.output, [](float score) { return score != 0; }));
  }
}

TEST(OptimizeLabels, RunInEveryPrecision) {
  for (const auto precision : {engine::Precision::kBf16, engine::Precision::kInt8}) {
    SCOPED_TRACE(engine::precision_name(precision));
    const TempFolder folder;
    const std::string bundle = (folder.path() / "bundle").string();
    const OptimizeReport report = make(bundle, precision);
    EXPECT_EQ(report.manifest.precision, precision);
    const auto model = LoadedModel::load(resolve_model(bundle), on_threads(2));
    EXPECT_NE(answer(*model).find("entity_group"), std::string::npos);
  }
}

// Flips of spans are counted, against labels that nobody gave.
TEST(OptimizeLabels, ChoosesAPlanWithinItsBudget) {
  const TempFolder folder;
  const OptimizeReport report = make((folder.path() / "bundle").string(), std::nullopt);
  ASSERT_TRUE(report.choice.has_value());
}

}  // namespace
}  // namespace tamis::api
