// Entities over given labels on the command line.
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

const std::string kModel = testdata("gliner/bert");
const std::string kText = "Ada Lovelace wrote in C++ and lived in London.";

std::vector<std::string> with(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"ner", kModel, kText};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// As many entities as an answer has.
size_t count(const std::vector<std::string>& more) {
  const Outcome outcome = tamis(with(more));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return JsonDocument::parse(outcome.out, "answer").root().get("entities").size();
}

TEST(CliLabels, FindWhatIsAsked) {
  const std::vector<std::string> two = {"--label", "person", "--label", "programming language"};
  const size_t flat = count(two);
  EXPECT_GT(flat, 0u);
  const auto and_more = [&two](std::vector<std::string> more) {
    more.insert(more.begin(), two.begin(), two.end());
    return more;
  };
  EXPECT_EQ(count(and_more({"--threshold", "1"})), 0u);
  EXPECT_GT(count(and_more({"--threshold", "0.2", "--nested", "--multi-label"})), flat);
  EXPECT_GT(count(and_more({"--threshold", "0.2", "--multi-label", "--precision", "int8"})), 0u);
}

TEST(CliLabels, AreRefusedWhereTheyDoNotFit) {
  const Outcome none = tamis(with({}));
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("reads labels with the text; at least one is needed"), std::string::npos)
      << none.err;
  EXPECT_EQ(tamis(with({"--label", "a", "--threshold", "2"})).status, 2);
  EXPECT_EQ(tamis(with({"--label", "a", "--stride", "2"})).status, 2);
  const Outcome other =
      tamis({"ner", testdata("models/bert-token-classification"), kText, "--label", "person"});
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("labels is for models that read labels with the text (GLiNER)"),
            std::string::npos)
      << other.err;
}

TEST(CliLabels, OtherProgramsFormsAreRefusedByName) {
  const TempFolder folder;
  const Outcome exported =
      tamis({"export", kModel, "--format", "onnx", "-o", (folder.path() / "out").string()});
  EXPECT_EQ(exported.status, 5);
  EXPECT_NE(exported.err.find("entities over given labels has no form that other programs know"),
            std::string::npos)
      << exported.err;
}

TEST(CliLabels, InspectSaysWhatTheModelIsFor) {
  const Outcome outcome = tamis({"inspect", kModel});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("ner"), std::string::npos);
  EXPECT_NE(outcome.out.find("given with the text"), std::string::npos) << outcome.out;
}

TEST(CliLabels, ABenchmarkTimesThem) {
  const Outcome outcome =
      tamis({"bench", kModel, "--shape", "2x40", "--seconds", "0", "--no-peak"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

}  // namespace
}  // namespace tamis::cli_test
