// Texts that a plan is certified on, and what a bundle may replace.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "model/test_util.h"
#include "optimize/optimize.h"
#include "optimize/report.h"

namespace tamis::api {
namespace {

namespace fs = std::filesystem;

const char* const kClassifier = "models/bert-sequence-classification";

OptimizeReport optimize_to(const fs::path& to, OptimizeOptions options) {
  options.model.pool = std::make_shared<ThreadPool>(2);
  options.seconds = 0;
  return optimize(resolve_model(testdata(kClassifier).string()), to, options);
}

TEST(OptimizeAuto, CertifiesOnTextsOfTheirOwn) {
  const TempFolder folder;
  OptimizeOptions options;
  options.budget = parse_budget("flips=25%");
  for (int i = 0; i < 40; ++i) options.certify_on.emplace_back().text = cat("text ", i);
  options.certify_on_file = "mine.txt";
  const OptimizeReport report = optimize_to(folder.path() / "b", options);
  ASSERT_TRUE(report.choice.has_value());
  EXPECT_TRUE(report.choice->budget.certify);
  EXPECT_EQ(report.choice->held_out, 40);
  // By some CPUs' cost tables integers of so small a model are not faster.
  EXPECT_EQ(report.succeeded(), report.choice->row().precision != engine::Precision::kFp32);
  const std::string text = report_text(report);
  EXPECT_NE(text.find("measured on 40 of the 40 rows of mine.txt"), std::string::npos) << text;
  EXPECT_NE(report_json(report).find("\"40 rows of mine.txt\""), std::string::npos);
  options.model.precision = engine::Precision::kBf16;
  EXPECT_THROW((void)optimize_to(folder.path() / "c", options), Error);
}

// Nothing is replaced that is read, or that someone put there.
TEST(Optimize, ReplacesABundleAlone) {
  const TempFolder folder;
  OptimizeOptions options;
  options.model.precision = engine::Precision::kFp32;
  options.force = true;
  const fs::path bundle = folder.path() / "b";
  (void)optimize_to(bundle, options);
  (void)optimize_to(bundle, options);
  const auto refuse = [&](const fs::path& from, std::string_view why) {
    try {
      (void)optimize(resolve_model(from.string()), bundle, options);
      ADD_FAILURE() << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string_view(error.what()).find(why), std::string_view::npos) << error.what();
    }
  };
  fs::copy(testdata(kClassifier), bundle / "checkpoint");
  refuse(bundle / "checkpoint", "is or holds");
  refuse(testdata(kClassifier), "holds checkpoint, which optimize does not write");
  EXPECT_TRUE(file_exists(bundle / "checkpoint/model.safetensors"));
  fs::remove_all(bundle / "checkpoint");
  write_file(bundle / "notes.md", "mine");
  refuse(testdata(kClassifier), "holds notes.md");
  EXPECT_EQ(read_file(bundle / "notes.md"), "mine");
}

}  // namespace
}  // namespace tamis::api
