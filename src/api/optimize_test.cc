#include "api/optimize.h"

#include "api/bundle.h"
#include "api/self_test.h"
#include "api/test_util.h"
#include "base/json.h"
#include "tasks/task_json.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

/// Made without waiting for steady timings.
OptimizeReport make_bundle(const std::string& name, const fs::path& to) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.seconds = 0;
  return optimize(resolve_model(testdata(name).string()), to, options);
}

std::vector<std::string> answers(const LoadedModel& model) {
  std::vector<std::string> found;
  for (const tasks::TaskResult& result :
       model.run(example_inputs(model), tasks::default_options(model.task()), 64)) {
    found.push_back(tasks::to_json(result));
  }
  return found;
}

class EveryCheckpoint : public testing::TestWithParam<std::string> {};

TEST_P(EveryCheckpoint, AnswersAsItsBundleBitForBit) {
  const TempFolder folder;
  const auto checkpoint = load_checkpoint(GetParam());
  (void)make_bundle(GetParam(), folder.path() / "bundle");
  const auto bundle =
      LoadedModel::load(resolve_model((folder.path() / "bundle").string()), on_threads(2));
  EXPECT_TRUE(bundle->is_bundle());
  EXPECT_EQ(bundle->task(), checkpoint->task());
  const auto inputs = example_inputs(*checkpoint);
  // operator== of float vectors: equal numbers, and none of them NaN.
  EXPECT_EQ(raw_outputs(*bundle, inputs, 64), raw_outputs(*checkpoint, inputs, 64));
  EXPECT_EQ(answers(*bundle), answers(*checkpoint));
  EXPECT_TRUE(verify_bundle(folder.path() / "bundle").empty());
}

TEST_P(EveryCheckpoint, AnswersAloneAsInABatch) {
  const auto model = load_checkpoint(GetParam());
  const auto inputs = example_inputs(*model);
  const auto alone = raw_outputs(*model, inputs, 1);
  EXPECT_EQ(raw_outputs(*model, inputs, 48), alone);
  EXPECT_EQ(raw_outputs(*model, inputs, 1 << 20), alone);
  const auto single =
      LoadedModel::load(resolve_model(testdata(GetParam()).string()), on_threads(1));
  EXPECT_EQ(raw_outputs(*single, inputs, 1 << 20), alone);
}

INSTANTIATE_TEST_SUITE_P(Testdata, EveryCheckpoint, testing::ValuesIn(checkpoint_names()),
                         checkpoint_test_name);

TEST(Optimize, LeavesNothingBehindWhereItFails) {
  const TempFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(testdata("models/bert-base"), model);
  fs::permissions(model / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  fs::resize_file(model / "model.safetensors", 1000);
  OptimizeOptions options;
  options.model = on_threads(1);
  expect_error(ErrorCode::kCorruptData, "model.safetensors", [&] {
    (void)optimize(resolve_model(model.string()), folder.path() / "bundle", options);
  });
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(Optimize, ReportsStagesUpToTheEnd) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model = on_threads(1);
  options.seconds = 0;
  std::vector<double> fractions;
  const OptimizeReport report = optimize(
      resolve_model(testdata("models/bert-base").string()), folder.path() / "bundle", options,
      [&fractions](std::string_view, double fraction) { fractions.push_back(fraction); });
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.back(), 1);
  EXPECT_EQ(report.largest_difference, 0);
  EXPECT_GT(report.bundle_bytes, report.checkpoint_bytes);
  EXPECT_FALSE(report.latency.empty());
}

/// A bundle and its self-test.
class SelfTests : public testing::Test {
 protected:
  void SetUp() override {
    (void)make_bundle("models/bert-sequence-classification", path());
    model_ = LoadedModel::load({path(), ModelKind::kBundle}, on_threads(1));
    test_ = parse_self_test(read_file(path() / "selftest.json"), "selftest.json");
  }
  [[nodiscard]] fs::path path() const { return folder_.path() / "bundle"; }

  TempFolder folder_;
  std::shared_ptr<const LoadedModel> model_;
  SelfTest test_;
};

TEST_F(SelfTests, AcceptTheirOwnModel) {
  EXPECT_GT(test_.tolerance, 0);
  EXPECT_EQ(test_.cases.size(), 2U);
  EXPECT_NO_THROW(check_self_test(test_, *model_));
  const SelfTest again = parse_self_test(write_self_test(test_), "selftest.json");
  EXPECT_EQ(write_self_test(again), write_self_test(test_));
  EXPECT_EQ(largest_difference(again, test_), 0);
}

TEST_F(SelfTests, RefuseAnotherModel) {
  const auto other = load_checkpoint("models/electra-sequence-classification");
  expect_error(ErrorCode::kCorruptData, "over the tolerance",
               [&] { check_self_test(test_, *other); });
  SelfTest nudged = test_;
  nudged.cases[1].output[0] += static_cast<float>(4 * test_.tolerance);
  expect_error(ErrorCode::kCorruptData, "self-test: \"42 ",
               [&] { check_self_test(nudged, *model_); });
  SelfTest longer = test_;
  longer.cases[0].output.resize(4);
  expect_error(ErrorCode::kCorruptData, "4 were recorded",
               [&] { check_self_test(longer, *model_); });
}

TEST_F(SelfTests, RefuseWhatIsNoSelfTest) {
  const auto refuse = [](std::string_view json, std::string_view part) {
    expect_error(ErrorCode::kCorruptData, part, [&] { (void)parse_self_test(json, "s.json"); });
  };
  refuse("[]", "s.json: ");
  refuse("{}", "s.json: tolerance");
  refuse(R"({"tolerance":1e-6,"cases":[]})", "no cases");
  refuse(R"({"tolerance":1e-6,"cases":{"a":1}})", "cases must be an array");
  refuse(R"({"tolerance":1e-6,"cases":[{"text":"a","input_ids":[],"output":[1]}]})", "empty");
  refuse(R"({"tolerance":1e-6,"cases":[{"text":"a","input_ids":[4294967297],"output":[1]}]})",
         "input_ids");
  refuse(R"({"tolerance":1e-6,"cases":[{"text":"a","input_ids":{"a":1},"output":[1]}]})",
         "input_ids must be an array");
  refuse(R"({"tolerance":-1,"cases":[{"text":"a","input_ids":[1],"output":[1]}]})", "tolerance");
}

// Ids that the model has no row for, and more of them than it has positions.
TEST_F(SelfTests, SurviveHostileIds) {
  SelfTest hostile = test_;
  hostile.cases[0].input_ids = {2, 1000000, 3};
  EXPECT_THROW(check_self_test(hostile, *model_), Error);
  hostile.cases[0].input_ids.assign(100000, 2);
  EXPECT_THROW(check_self_test(hostile, *model_), Error);
  hostile.cases[0].input_ids = {-1};
  EXPECT_THROW(check_self_test(hostile, *model_), Error);
}

}  // namespace
}  // namespace tamis::api
