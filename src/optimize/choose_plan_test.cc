// What a choice says of its plans: measured once, on what is written, and prices by their names.
#include "optimize/choose_plan.h"

#include <limits>
#include <set>

#include "base/json.h"
#include "model/calibration_rows.h"
#include "model/test_util.h"
#include "optimize/optimize.h"
#include "optimize/report.h"

namespace tamis::api {
namespace {

const char* const kClassifier = "models/bert-sequence-classification";

OptimizeReport optimize_to(const std::filesystem::path& to, OptimizeOptions options) {
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  return optimize(resolve_model(testdata(kClassifier).string()), to, options);
}

TEST(ChoosePlan, TakesTheFirstPlanAsItWasMeasured) {
  const auto model = load_checkpoint(kClassifier);
  CalibrationRows rows = split_rows(*model, {});
  rows.used.resize(8);
  rows.held_out.resize(8);
  HeldOut held_out(*model, model->runner(), rows.held_out, rows.held_source);
  StoredTables tables{model->marked_graph(), {}};
  tables.choice.evaluation = held_out.compare(model->runner());
  tables.choice.evaluation->truncated = 12345;
  const Calibrated calibrated = calibrate(*model, tables.marked, rows.used, {}, {});
  ChooseOptions options;
  options.search = false;
  const PlanChoice choice = choose_plan(*model, tables, calibrated, held_out, options);
  EXPECT_EQ(choice.rows[0].name, "fp32");
  EXPECT_EQ(choice.rows[0].evaluation.truncated, 12345);
  EXPECT_EQ(choice.rows[1].evaluation.truncated, 0);
}

// The tables of the plans were in half precision, which the bundle is not: nothing that is said of
// it may be theirs.
TEST(ChoosePlan, ThatGivesUpReportsWhatIsWritten) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("kl=0");
  const OptimizeReport report = optimize_to(folder.path() / "b", options);
  ASSERT_FALSE(report.succeeded());
  ASSERT_TRUE(report.choice->gave_up);
  EXPECT_EQ(&report.choice->row(), report.choice->rows.data());
  EXPECT_EQ(report.choice->row().evaluation.against->divergence, 0);
  EXPECT_EQ(report.choice->row().loss.upper_95, 0);
  ASSERT_TRUE(report.embeddings.evaluation);
  EXPECT_EQ(report.embeddings.evaluation->against->divergence, 0);
  EXPECT_EQ(report.embeddings.report.bytes_after, report.embeddings.report.bytes_before);
  EXPECT_TRUE(report.quantization->linears.empty());
  EXPECT_EQ(report.largest_difference, 0);
  // The checkpoint agrees with itself, which certifies nothing.
  EXPECT_NE(report_json(report).find("\"certified\": false"), std::string::npos);
  const std::string text = report_text(report);
  EXPECT_NE(text.find("NOT kept, not certified at n="), std::string::npos) << text;
  EXPECT_NE(text.find(": no faster plan keeps it, so this is the checkpoint"), std::string::npos);
  EXPECT_NE(text.find("calibrated on 156 of 312 built-in texts in 12 languages; measured on 156 "
                      "others\n"),
            std::string::npos)
      << text;
}

// Calibration takes minutes: what refuses the budget comes before it.
TEST(ChoosePlan, RefusesABudgetBeforeItCalibrates) {
  const TempFolder folder;
  OptimizeOptions options;
  options.calibration.resize(3);  // one of which is held out: it has no rank
  for (int i = 0; i < 3; ++i) options.calibration[static_cast<size_t>(i)].text = cat("Text ", i);
  options.calibration_file = "rows.tsv";
  std::set<std::string> stages;
  expect_error(ErrorCode::kInvalidArgument, "--budget spearman: the held-out texts do not give it",
               [&] {
                 (void)optimize(resolve_model(testdata("models/bert-regression").string()),
                                folder.path() / "b", options,
                                [&](std::string_view stage, double) { stages.emplace(stage); });
               });
  EXPECT_EQ(stages, (std::set<std::string>{"loading", "running fp32"}));
}

// An infinite bound, of too few texts, is no number to print.
TEST(ChoosePlan, FewTextsHaveNoBound) {
  PlanChoice choice;
  choice.met = true;
  choice.rows.resize(1);
  choice.rows[0].evaluation.against.emplace().compared = 4;
  choice.rows[0].loss.upper_95 = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(choice.certified());
  EXPECT_EQ(certificate_text(choice), "not certified at n=4: too few for a bound");
  choice.rows[0].loss.upper_95 = 0.00498;
  EXPECT_EQ(certificate_text(choice), "certified at n=4: 0.498 % with 95 % confidence");
  choice.met = false;
  EXPECT_EQ(certificate_text(choice), "not certified at n=4: 0.498 % with 95 % confidence");
}

TEST(ChoosePlan, LayersThatAreInFloatHaveNoErrors) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.scheme = quant::Scheme::kStatic;  // whose plans need not be faster here
  options.model.precision = engine::Precision::kInt8;
  const OptimizeReport whole = optimize_to(folder.path() / "whole", options);
  options.model.precision.reset();
  const double all = *whole.choice->row().evaluation.against->kl;
  options.budget = Budget{BudgetMetric::kKl, 0.7 * all, false};
  const OptimizeReport part = optimize_to(folder.path() / "part", options);
  const PlanRow& row = part.choice->row();
  ASSERT_EQ(row.precision, engine::Precision::kInt8);
  ASSERT_FALSE(row.in_float.empty());
  EXPECT_LT(part.quantization->linears.size(), whole.quantization->linears.size());
  for (const quant::LinearReport& linear : part.quantization->linears) {
    EXPECT_EQ(std::ranges::count(row.in_float, linear.names[0]), 0) << linear.names[0];
  }
}

// A pooler works on a row a sequence, one of 32 tokens: its share counts once.
TEST(ChoosePlan, PricesOfSimulatedPlansAreMultiplicationsAndEstimates) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  options.model.scheme = quant::Scheme::kStatic;
  options.model.enable = {"*pooler*"};
  const OptimizeReport report = optimize_to(folder.path() / "b", options);
  const PlanChoice& choice = *report.choice;
  EXPECT_TRUE(choice.simulated);
  const auto pooler = std::ranges::find_if(choice.sensitivities, [](const SensitivityRow& row) {
    return row.group == "linear" && row.name.find("pooler") != std::string::npos;
  });
  ASSERT_NE(pooler, choice.sensitivities.end());
  const auto hidden = static_cast<double>(report.manifest.hidden_size);
  EXPECT_DOUBLE_EQ(pooler->price, 0.5 * hidden * hidden / 32);

  const JsonDocument json = JsonDocument::parse(report_json(report), "report");
  const JsonView quantization = json.root().get("quantization");
  EXPECT_TRUE(
      quantization.get("sensitivities").at(0).get("price_multiplications_per_token").exists());
  EXPECT_FALSE(quantization.get("sensitivities").at(0).get("price_us_per_token").exists());
  const JsonView plans = quantization.get("plans");
  EXPECT_TRUE(plans.at(0).get("table_us_per_token").exists());
  const JsonView last = plans.at(plans.size() - 1);
  EXPECT_FALSE(last.get("table_us_per_token").exists());
  EXPECT_TRUE(last.get("estimated_us_per_token").exists());
  EXPECT_NE(report_text(report).find(" us estimated"), std::string::npos);
  EXPECT_NE(report_html(report).find(" (estimated)"), std::string::npos);
  EXPECT_NE(report_html(report).find("multiplications a token more"), std::string::npos);
}

// The clock of a simulation would take every layer in float for as fast as integers.
TEST(ChoosePlan, IsNotTimedWhereIntegersAreSimulated) {
  const TempFolder folder;
  OptimizeOptions options;
  options.measure = true;
  options.model.scheme = quant::Scheme::kStatic;
  expect_error(ErrorCode::kInvalidArgument, "--measure: integers of scheme static",
               [&] { (void)optimize_to(folder.path() / "b", options); });
  options.model.scheme = quant::Scheme::kNative;
  options.model.precision = engine::Precision::kInt8;
  const OptimizeReport report = optimize_to(folder.path() / "b", options);
  for (const PlanRow& row : report.choice->rows) EXPECT_GT(row.clock_us.value_or(0), 0) << row.name;
  EXPECT_NE(report_text(report).find("us a token by the clock"), std::string::npos);
  EXPECT_NE(report_json(report).find("clock_us_per_token"), std::string::npos);
}

TEST(ChoosePlan, PricesByTheTableAreMicroseconds) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kInt8;
  const OptimizeReport report = optimize_to(folder.path() / "b", options);
  EXPECT_FALSE(report.choice->simulated);
  const std::string json = report_json(report);
  EXPECT_EQ(json.find("estimated_us_per_token"), std::string::npos);
  EXPECT_EQ(json.find("price_multiplications"), std::string::npos);
  EXPECT_NE(json.find("price_us_per_token"), std::string::npos);
  EXPECT_EQ(report_text(report).find("estimate"), std::string::npos);
}

}  // namespace
}  // namespace tamis::api
