// Quantizing through the program: the same bytes every time, what is refused, what exit 1 means.
#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kClassifier = testdata("models/bert-sequence-classification");

/// The command for a bundle of the classifier, with further arguments.
Outcome optimize(const std::string& to, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"optimize", kClassifier, "-o", to, "--seconds", "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return tamis(arguments);
}

TEST(CliQuantize, GivesTheSameBytesForAnyNumberOfThreads) {
  const TempFolder folder;
  ASSERT_EQ(optimize(folder / "one", {"--precision", "int8", "--threads", "1"}).status, 0);
  ASSERT_EQ(optimize(folder / "two", {"--precision", "int8", "--threads", "2"}).status, 0);
  for (const char* name : {"graph.txt", "model.safetensors", "quantization.json", "tamis.json",
                           "selftest.json", "config.json", "tokenizer.json"}) {
    EXPECT_EQ(read_file(folder.path() / "one" / name), read_file(folder.path() / "two" / name))
        << name;
  }
  EXPECT_NE(read_file(folder.path() / "one/graph.txt").find("I8["), std::string::npos);
}

TEST(CliQuantize, ReportsEveryPlanAndQuantizer) {
  const TempFolder folder;
  const Outcome outcome = optimize(folder / "b", {"--json", "--budget", "flips=100%"});
  if (outcome.err.find("no plan faster than fp32") != std::string::npos) {
    GTEST_SKIP() << "by the cost table integers of so small a model are not faster on this CPU";
  }
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const JsonDocument report = JsonDocument::parse(outcome.out, "report");
  const JsonView quantization = report.root().get("quantization");
  EXPECT_GE(quantization.get("plans").size(), 4U);
  EXPECT_GE(quantization.get("sensitivities").size(), 8U);
  EXPECT_GE(quantization.get("quantizers").size(), 40U);
  EXPECT_TRUE(quantization.get("budget").get("kept").as_bool("kept"));
  EXPECT_GE(report.root().get("unchecked").size(), 2U);
  const std::string html = read_file(folder.path() / "b/report.html");
  for (const char* part :
       {"<svg", "class='sort'", "matmul_quantizer_0", "built-in texts", "Not checked", "bf16"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
  // Self-contained: nothing is fetched.
  for (const char* part : {"http:", "https:", "src=", "@import"}) {
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  }
  const Outcome list = tamis({"inspect", folder / "b", "--quantizers"});
  EXPECT_EQ(list.status, 0);
  EXPECT_NE(list.out.find("bert.encoder.layer.0.attention.self.query._input_quantizer"),
            std::string::npos);
  const Outcome json = tamis({"inspect", folder / "b", "--json"});
  const JsonDocument inspected = JsonDocument::parse(json.out, "inspect");
  int with_error = 0;
  const JsonView quantizers = inspected.root().get("quantizers");
  for (size_t i = 0; i < quantizers.size(); ++i) {
    const bool has = quantizers.at(i).get("error").is_number();
    EXPECT_TRUE(!has || quantizers.at(i).get("enabled").as_bool("enabled"));
    with_error += has ? 1 : 0;
  }
  // Tiles of AMX take bf16 of so small a model in as little time as bytes, so that it may be
  // chosen.
  const bool integers = report.root().get("precision").as_string("precision") == "int8";
  EXPECT_TRUE(integers ? with_error > 0 : detected_isas().has(Isa::kAmx)) << with_error;
}

TEST(CliQuantize, ExitsWithOneIfNoPlanKeepsTheBudget) {
  const TempFolder folder;
  const Outcome outcome = optimize(folder / "b", {"--budget", "kl=0"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("no plan faster than fp32 keeps the budget kl <= 0"),
            std::string::npos)
      << outcome.err;
  EXPECT_NE(read_file(folder.path() / "b/tamis.json").find("\"precision\": \"fp32\""),
            std::string::npos);
  // int8 only reports the budget.
  EXPECT_EQ(optimize(folder / "c", {"--budget", "kl=0", "--precision", "int8"}).status, 0);
}

TEST(CliQuantize, RefusesWhatItCannotDo) {
  const TempFolder folder;
  const std::string one = folder.write("one.txt", "A text.\n");
  const std::string none = folder.write("none.txt", "");
  const std::string same = folder.write("same.txt", "A text.\nA text.\nA text.\n");
  const std::string label = folder.write("label.tsv", "label\ttext\njoyful\ta\nsad\tb\n");
  const std::string wrong = folder.write("wrong.tsv", "verse\tchorus\na\tb\n");
  struct Row {
    std::vector<std::string> arguments;
    std::string message;
    int status;
  };
  const Row rows[] = {
      {{"--budget", "speed=2"}, "accepted are flips=0.5%", 2},
      {{"--budget", "cosine=0.9"}, "it has flips, kl, accuracy", 2},
      {{"--precision", "int4"}, "must be auto, int8, bf16 or fp32", 2},
      {{"--embeddings", "int4"}, "--embeddings int4: must be fp32, fp16 or int8", 2},
      {{"--scheme", "fp8"}, "accepted are native, static, ort and trt", 2},
      {{"--without", "magic"}, "accepted are columns, scale", 2},
      {{"--disable", "*.layer.0.attention.self.querry._input_quantizer"},
       "bert.encoder.layer.0.attention.self.query._input_quantizer",
       2},
      {{"--enable", ""}, "--enable: the value is empty", 2},
      {{"--enable", "none of them"}, "matches nothing", 2},
      {{"--calibration", one}, "one text; at least two", 2},
      {{"--calibration", none}, "no texts; at least two", 2},
      {{"--calibration", same}, "all 3 texts are the same", 2},
      {{"--calibration", label}, "label.tsv:2: label \"joyful\" is none of this model's", 2},
      {{"--calibration", wrong}, "wrong.tsv", 3},
      {{"--calibration", folder / "absent.txt"}, "absent.txt", 4},
  };
  for (const Row& row : rows) {
    const Outcome outcome = optimize(folder / "b", row.arguments);
    EXPECT_EQ(outcome.status, row.status) << row.message << outcome.err;
    EXPECT_NE(outcome.err.find(row.message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(fs::exists(folder.path() / "b")) << row.message;
  }
}

TEST(CliQuantize, LeavesNothingWhereTheDiskFills) {
  const TempFolder folder;
  Surroundings full;
  full.max_file_bytes = 20000;
  const Outcome outcome =
      tamis({"optimize", kClassifier, "-o", folder / "b", "--seconds", "0"}, full);
  EXPECT_EQ(outcome.status, 9) << outcome.err;
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CliQuantize, SimulatesTheStaticFormAndSaysSo) {
  const TempFolder folder;
  const Outcome outcome =
      optimize(folder / "b", {"--scheme", "static", "--budget", "flips=100%", "--without", "gptq"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("simulated exactly in float: no speed-up here"), std::string::npos)
      << outcome.out;
  const Outcome list = tamis({"inspect", folder / "b", "--quantizers"});
  EXPECT_NE(list.out.find("on  static_s8"), std::string::npos) << list.out;
  EXPECT_EQ(tamis({"classify", folder / "b", "A fine film."}).status, 0);
}

}  // namespace
}  // namespace tamis::cli_test
