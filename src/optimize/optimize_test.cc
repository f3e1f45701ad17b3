#include "optimize/optimize.h"

#include <cstring>
#include <limits>
#include <set>

#include "base/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/bundle.h"
#include "model/self_test.h"
#include "model/test_util.h"
#include "optimize/report.h"
#include "tasks/task_json.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

/// Made without waiting for steady timings.
OptimizeReport make_bundle(const std::string& name, const fs::path& to) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.model.precision = engine::Precision::kFp32;
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

/// A bundle of a model of testdata/retrieval, made for a task.
std::shared_ptr<const LoadedModel> retrieval_bundle(const fs::path& folder, const std::string& name,
                                                    tasks::TaskKind task, const ModelOptions& as) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.model.task = task;
  options.model.precision = engine::Precision::kInt8;
  options.seconds = 0;
  options.force = true;
  (void)optimize(resolve_model(testdata("retrieval/" + name).string()), folder, options);
  return LoadedModel::load(resolve_model(folder.string()), as);
}

TEST(Optimize, ABundleOfAllWaysToEmbedDoesEach) {
  const TempFolder folder;
  const auto all = retrieval_bundle(folder.path() / "bundle", "bge-m3", tasks::TaskKind::kEmbedAll,
                                    on_threads(2));
  const auto together =
      std::get<EmbedAllResult>(all->run({{"A lighthouse."}}, tasks::EmbedAllOptions{}, 64).front());
  for (const tasks::TaskKind task :
       {tasks::TaskKind::kEmbedSparse, tasks::TaskKind::kEmbedMulti, tasks::TaskKind::kRerank}) {
    ModelOptions options = on_threads(2);
    options.task = task;
    const auto one = LoadedModel::load(resolve_model((folder.path() / "bundle").string()), options);
    tasks::TaskInput input{"A lighthouse."};
    if (task == tasks::TaskKind::kRerank) input.texts = {"Rain."};
    const TaskResult result = one->run({input}, tasks::default_options(task), 64).front();
    if (task == tasks::TaskKind::kEmbedSparse) {
      EXPECT_EQ(tasks::to_json(result), tasks::to_json(TaskResult(together.sparse)));
      EXPECT_EQ(one->manifest().output_size, 1);
    } else if (task == tasks::TaskKind::kEmbedMulti) {
      EXPECT_EQ(tasks::to_json(result), tasks::to_json(TaskResult(together.multi)));
      EXPECT_EQ(one->manifest().output_size, 8);
    } else {
      EXPECT_EQ(std::get<RerankResult>(result).results.size(), 1u);
    }
  }
}

TEST(Optimize, ABundleKeepsTheWeightsOfQueries) {
  const TempFolder folder;
  const auto bundle = retrieval_bundle(folder.path() / "bundle", "splade-router",
                                       tasks::TaskKind::kEmbedSparse, on_threads(2));
  const auto checkpoint = load_checkpoint("retrieval/splade-router");
  tasks::EmbedSparseOptions options;
  options.query = true;
  const auto answer = [&options](const LoadedModel& model) {
    return tasks::to_json(model.run({{"A lighthouse."}}, options, 64).front());
  };
  EXPECT_EQ(answer(*bundle), answer(*checkpoint));
  EXPECT_NE(answer(*bundle), R"({"sparse":{}})");
}

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
  options.model.precision = engine::Precision::kFp32;
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

/// Rows for a classifier of three labels: what calibration files look like.
std::vector<TextRow> labelled_rows(int count, const std::string& label) {
  std::vector<TextRow> rows;
  for (int i = 0; i < count; ++i) {
    TextRow row;
    row.text = cat("Anna sold table number ", i, " to Zürich", i % 3 == 0 ? "." : ", twice.");
    row.label = label.empty() ? std::to_string(i % 3) : label;
    row.line = i + 2;
    rows.push_back(std::move(row));
  }
  return rows;
}

const char* const kClassifier = "models/bert-sequence-classification";

OptimizeReport optimize_to(const std::string& name, const fs::path& to, OptimizeOptions options) {
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  return optimize(resolve_model(testdata(name).string()), to, options);
}

// One of each task, so that every budget's metric, and every shape of the built-in texts, runs.
class EveryTask : public testing::TestWithParam<const char*> {};

TEST_P(EveryTask, IsMeasuredOnTheTextsHeldOut) {
  const TempFolder folder;
  OptimizeOptions options;
  options.embeddings = quant::EmbeddingStorage::kAsStored;
  const OptimizeReport report = optimize_to(GetParam(), folder.path() / "bundle", options);
  ASSERT_TRUE(report.choice);
  const PlanChoice& choice = *report.choice;
  // Some built-in texts are too long for a tiny model's question, or for its mask.
  EXPECT_GT(choice.held_out, 100);
  EXPECT_GT(choice.row().evaluation.against->compared, 0);
  EXPECT_EQ(report.manifest.precision, choice.row().precision);
  EXPECT_EQ(choice.rows[0].name, "fp32");
  // What double's rounding does.
  EXPECT_NEAR(choice.rows[0].evaluation.against->divergence, 0, 1e-15);
  EXPECT_TRUE(choice.rows[0].met);
  EXPECT_EQ(report.succeeded(), choice.met);
  EXPECT_TRUE(verify_bundle(folder.path() / "bundle").empty());
  // The files that a load holds against its self-test.
  EXPECT_NO_THROW(
      (void)LoadedModel::load({folder.path() / "bundle", ModelKind::kBundle}, on_threads(1)));
}

INSTANTIATE_TEST_SUITE_P(All, EveryTask,
                         testing::Values("models/bert-base", "models/bert-sequence-classification",
                                         "models/bert-multi-label", "models/bert-regression",
                                         "models/bert-rerank", "models/bert-token-classification",
                                         "models/bert-question-answering", "models/bert-masked-lm",
                                         "models/roberta-sequence-classification",
                                         "models/albert-base", "models/distilbert-base"),
                         [](const auto& row) {
                           std::string name = std::string(row.param).substr(7);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Whether any plan in integers is faster than fp32 on this CPU.
bool integers_pay(const OptimizeReport& report) {
  const std::vector<PlanRow>& rows = report.choice->rows;
  return std::ranges::any_of(rows, [&](const PlanRow& row) {
    return row.precision == engine::Precision::kInt8 && row.table_us < 0.98 * rows[0].table_us;
  });
}

TEST(OptimizeAuto, ALooseBudgetKeepsEveryLayerInIntegers) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("flips=100%");
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  const auto whole = std::ranges::find(report.choice->rows, "int8", &PlanRow::name);
  ASSERT_NE(whole, report.choice->rows.end());
  if (!integers_pay(report)) {
    EXPECT_FALSE(report.succeeded());
    GTEST_SKIP() << "by the cost table integers of so small a model are not faster on this CPU";
  }
  EXPECT_TRUE(report.succeeded());
  const bool integers = report.choice->row().precision == engine::Precision::kInt8;
  EXPECT_TRUE(integers || detected_isas().has(Isa::kAmx)) << "AMX takes bf16 in the same time";
  EXPECT_LE(report.choice->row().table_us, 1.01 * whole->table_us) << "a closer plan costs more";
}

TEST(OptimizeAuto, ABudgetThatNothingKeepsGivesFloatAndSaysSo) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("kl=0");
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  EXPECT_FALSE(report.succeeded());
  EXPECT_EQ(report.manifest.precision, engine::Precision::kFp32);
  EXPECT_NE(report_text(report).find("NOT kept"), std::string::npos);
}

TEST(OptimizeAuto, AttentionGoesToFloatWhenLayersDoNotSuffice) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("kl=0");
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  double rounded = std::numeric_limits<double>::infinity();
  double exact = rounded;
  std::set<std::pair<std::string, std::vector<std::string>>> plans;
  for (const PlanRow& row : report.choice->rows) {
    if (row.precision != engine::Precision::kInt8) continue;
    EXPECT_TRUE(plans.emplace(row.name, row.in_float).second) << row.name << " measured twice";
    double& least = row.name.ends_with("attention in fp32") ? exact : rounded;
    least = std::min(least, *row.evaluation.against->kl);
  }
  // All layers in float: what is left is bf16's rounding of attention, 2^-9, or float's, 2^-24.
  EXPECT_LT(exact, 0.1 * rounded);
}

TEST(OptimizeAuto, ATightBudgetPutsLayersBack) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  const OptimizeReport whole = optimize_to(kClassifier, folder.path() / "whole", options);
  const Agreement full = *whole.choice->row().evaluation.against;
  EXPECT_TRUE(whole.succeeded()) << "int8 only reports the budget";
  options.model.precision.reset();
  Budget budget;
  budget.metric = BudgetMetric::kKl;
  budget.limit = *full.kl * 0.7;
  options.budget = budget;
  const OptimizeReport part = optimize_to(kClassifier, folder.path() / "part", options);
  EXPECT_GT(part.choice->rows.size(), 4u);
  if (part.manifest.precision == engine::Precision::kInt8) {
    EXPECT_GT(part.choice->row().in_float.size(), 0u);
    EXPECT_LE(*part.choice->row().evaluation.against->kl, budget.limit);
  }
  EXPECT_EQ(part.choice->row().met, true);
}

TEST(OptimizeAuto, TheBoundDecidesIfAsked) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("flips=0.5%");
  options.certify = true;
  // 156 texts cannot certify 0.5 %, not even without a flip: 1 - 0.05^(1/156) is 1.9 %.
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  EXPECT_FALSE(report.succeeded());
  EXPECT_NE(report_text(report).find("not certified at n="), std::string::npos);
}

TEST(OptimizeAuto, LabelsAreHeldAgainstFp32sByMcNemar) {
  const TempFolder folder;
  OptimizeOptions options;
  options.calibration = labelled_rows(80, "");
  options.calibration_file = "rows.tsv";
  options.budget = parse_budget("accuracy=100");
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  ASSERT_TRUE(report.choice->row().evaluation.paired);
  EXPECT_EQ(report.choice->row().evaluation.paired->rows, 40);
  EXPECT_EQ(report.succeeded(), integers_pay(report));
  EXPECT_NE(report.calibration_source.find("rows.tsv, and 156 built-in texts"), std::string::npos)
      << report.calibration_source;
}

class EveryScheme : public testing::TestWithParam<quant::Scheme> {};

TEST_P(EveryScheme, MakesABundleThatRunsAsMeasured) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  options.model.scheme = GetParam();
  options.model.enable = {"*matmul_quantizer*", "*layernorm_quantizer*"};
  options.calibration = labelled_rows(128, "");
  options.calibration_file = "rows.tsv";
  const OptimizeReport report = optimize_to(kClassifier, folder.path() / "b", options);
  EXPECT_TRUE(report.simulated) << "attention and sums have no integer kernels";
  const auto bundle = LoadedModel::load({folder.path() / "b", ModelKind::kBundle}, on_threads(2));
  int on = 0;
  for (const quant::QuantizerInfo& info : quant::list_quantizers(bundle->graph())) {
    on += info.enabled ? 1 : 0;
  }
  // Two layers of 20, and the classifier and pooler, which stay off.
  EXPECT_EQ(on, 40);
  // What was measured when it was made is what it does when it is loaded.
  std::vector<TextRow> held_out;
  for (size_t i = 1; i < options.calibration.size(); i += 2) {
    held_out.push_back(options.calibration[i]);
  }
  const auto checkpoint = load_checkpoint(kClassifier);
  const Evaluation again = evaluate(*bundle, checkpoint.get(), held_out, {});
  ASSERT_TRUE(again.against->kl);
  EXPECT_GT(*again.against->kl, 0);
  EXPECT_DOUBLE_EQ(*again.against->kl, *report.choice->row().evaluation.against->kl);
  EXPECT_EQ(again.against->flips, report.choice->row().evaluation.against->flips);
}

INSTANTIATE_TEST_SUITE_P(All, EveryScheme,
                         testing::Values(quant::Scheme::kNative, quant::Scheme::kStatic,
                                         quant::Scheme::kOrt),
                         [](const auto& row) {
                           return std::string(name_of(quant::kSchemeForms, {row.param}));
                         });

TEST(OptimizeAuto, RefusesTextsThatCannotServe) {
  const TempFolder folder;
  const auto refuse = [&](std::vector<TextRow> rows, std::string_view part) {
    OptimizeOptions options;
    options.calibration = std::move(rows);
    options.calibration_file = "rows.tsv";
    expect_error(ErrorCode::kInvalidArgument, part,
                 [&] { (void)optimize_to(kClassifier, folder.path() / "b", options); });
    EXPECT_FALSE(fs::exists(folder.path() / "b"));
  };
  refuse({}, "rows.tsv: no texts; at least two are needed");
  refuse(labelled_rows(1, ""), "rows.tsv: one text; at least two are needed");
  std::vector<TextRow> same(5, labelled_rows(1, "")[0]);
  refuse(same, "rows.tsv: all 5 texts are the same");
  refuse(labelled_rows(6, "joyful"), "rows.tsv:2: label \"joyful\" is none of this model's");
  refuse(labelled_rows(6, "7"), "rows.tsv:2: label \"7\"");
  std::vector<TextRow> queries = labelled_rows(4, "");
  for (TextRow& row : queries) {
    row.query = row.text;
    row.text.reset();
    row.label.reset();
  }
  refuse(queries, "classify needs a text");
}

TEST(OptimizeAuto, RunsOnTheCpuAlone) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.device = {device::DeviceKind::kCuda, 1};
  expect_error(ErrorCode::kUnsupported, "optimize runs on the CPU, not on cuda:1",
               [&] { (void)optimize_to(kClassifier, folder.path() / "b", options); });
}

TEST(OptimizeAuto, RefusesBudgetsThatTheTaskDoesNotHave) {
  const TempFolder folder;
  const auto refuse = [&](const char* model, const char* budget, std::string_view part) {
    OptimizeOptions options;
    options.budget = parse_budget(budget);
    expect_error(ErrorCode::kInvalidArgument, part,
                 [&] { (void)optimize_to(model, folder.path() / "b", options); });
  };
  refuse("models/bert-base", "flips=1%", "a model for embed does not have it; it has cosine");
  refuse(kClassifier, "cosine=0.9", "it has flips, kl, accuracy");
  refuse("models/bert-regression", "kl=1", "it has spearman");
  refuse(kClassifier, "accuracy=1", "each row of --calibration needs the truth");
}

TEST(OptimizeAuto, NamesTheTextWhoseAnswerIsNotFiniteAndTheLayer) {
  const TempFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(testdata(kClassifier), model);
  fs::permissions(model / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  // A scale whose products overflow: weights that are not finite are refused when they are read.
  std::string bytes = read_file(model / "model.safetensors");
  size_t changed = 0;
  for (const StoredTensor& stored : read_safetensors(model / "model.safetensors").tensors) {
    if (stored.name != "bert.encoder.layer.1.attention.output.LayerNorm.weight") continue;
    const std::string old(reinterpret_cast<const char*>(stored.tensor->view().data()),
                          stored.tensor->size_bytes());
    const size_t at = bytes.find(old);
    ASSERT_NE(at, std::string::npos);
    const float huge = 3e38f;
    for (size_t i = 0; i < old.size(); i += sizeof(huge)) {
      std::memcpy(&bytes[at + i], &huge, sizeof(huge));
      ++changed;
    }
  }
  ASSERT_GT(changed, 0U);
  write_file(model / "model.safetensors", bytes);
  OptimizeOptions options;
  options.model = on_threads(1);
  options.seconds = 0;
  const auto run = [&] {
    (void)optimize(resolve_model(model.string()), folder.path() / "b", options);
  };
  expect_error(ErrorCode::kUnsupported, "built-in text:2: the model's output logits is not finite",
               run);
  expect_error(ErrorCode::kUnsupported,
               "the first layer whose values are not finite is bert.encoder.layer.1.", run);
  EXPECT_FALSE(fs::exists(folder.path() / "b"));
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
