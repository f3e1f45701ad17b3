// --input and --output of Parquet and Arrow files: where they are built in and where not, and runs
// that go on where a killed one stopped. What is in the files: tests/tables.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/tables/table_reader.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kEmbedder = testdata("models/bert-base");
const std::string kClassifier = testdata("models/bert-sequence-classification");
constexpr size_t kRowBytes = 32 * 4 + 1;  // of the embedder: numbers, and whether it was truncated

std::string good(const std::vector<std::string>& arguments) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

void refuse(const std::vector<std::string>& arguments, int status, std::string_view part) {
  const Outcome outcome = tamis(arguments);
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST(CliTables, AreRefusedByNameWhereTheyAreNotBuiltIn) {
  if (tables_are_built_in()) GTEST_SKIP() << "built with TAMIS_ARROW";
  const TempFolder folder;
  const std::string part = ": Parquet and Arrow files are not built in; the program tamis reads";
  for (const char* name : {"x.parquet", "x.arrow", "x.feather", "x.arrows"}) {
    const std::string file = folder.write(name, "PAR1");
    refuse({"embed", kEmbedder, "--input", file}, 5, file + part);
    refuse({"eval", kClassifier, "--data", file}, 5, file + part);
    refuse({"rerank", kClassifier, "--query", "q", "--input", file}, 5, "-DTAMIS_ARROW=on");
    // Before a model is looked for.
    refuse({"embed", "no-such-model", "a", "--output", file}, 5, cat("--output ", file, part));
    refuse({"classify", "no-such-model", "a", "--output", file}, 5, cat("--output ", file, part));
    EXPECT_EQ(read_file(file), "PAR1");
  }
  refuse({"embed", kEmbedder, "--input", folder.write("x.csv", "a")}, 2,
         "accepted are .txt, .tsv, .jsonl");
}

TEST(CliTables, VectorsAloneFitNpy) {
  refuse({"classify", kClassifier, "a", "--output", "x.npy"}, 2, ".npy holds one vector");
}

TEST(CliTables, NullsAreNamedByTheirRow) {
  const TempFolder folder;
  const std::string file = folder.write("x.jsonl", "{\"text\":\"a\"}\n{\"text\":null}\n");
  refuse({"embed", kEmbedder, "--input", file}, 3, file + ":2: text is null");
}

/// A run of 40 texts, whole and as a killed one would have left it.
class CliTablesResume : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!tables_are_built_in()) GTEST_SKIP() << "built without TAMIS_ARROW";
    std::string text;
    for (int i = 0; i < 40; ++i) text += cat("Text number ", i, " of a few.\n");
    texts_ = folder_.write("texts.txt", text);
    output_ = folder_ / GetParam();
    good({"embed", kEmbedder, "--input", texts_, "--output", output_});
    whole_ = read_file(output_);
    good({"embed", kEmbedder, "--input", texts_, "--output", output_, "--resume"});
    EXPECT_EQ(read_file(output_), whole_);
    fs::remove(output_);
  }

  [[nodiscard]] std::string partial() const { return output_ + ".partial"; }
  [[nodiscard]] std::string journal() const { return partial() + ".json"; }
  [[nodiscard]] Outcome run(const Surroundings& around = {}) const {
    return tamis({"embed", kEmbedder, "--input", texts_, "--output", output_, "--resume"}, around);
  }

  TempFolder folder_;
  std::string texts_;
  std::string output_;
  std::string whole_;
};

INSTANTIATE_TEST_SUITE_P(Forms, CliTablesResume,
                         testing::Values("out.parquet", "out.arrow", "out.arrows"),
                         [](const auto& tested) { return tested.param.substr(4); });

TEST_P(CliTablesResume, GoesOnBehindWhatIsWhole) {
  for (const size_t rows : {size_t{1}, size_t{17}, size_t{40}}) {
    // Fails for want of room: all rows are there, or none of them is written through.
    Surroundings small;
    small.max_file_bytes = 1000;
    EXPECT_NE(run(small).status, 0);
    ASSERT_TRUE(fs::exists(journal()));
    EXPECT_FALSE(fs::exists(output_));
    // The rows of a run that had room for them but not for the table.
    small.max_file_bytes = static_cast<int64_t>(40 * kRowBytes);
    EXPECT_NE(run(small).status, 0);
    EXPECT_FALSE(fs::exists(output_));
    const std::string all = read_file(partial());
    ASSERT_EQ(all.size(), 40 * kRowBytes);
    const std::string text = read_file(journal());
    const JsonDocument document = JsonDocument::parse(text, "journal");
    JsonWriter json;
    json.begin_object().member("rows", static_cast<int64_t>(rows));
    json.member("bytes", static_cast<int64_t>(rows * kRowBytes));
    for (const char* key : {"inputs_sha256", "options_sha256"}) {
      json.member(key, document.root().get(key).as_string(key));
    }
    json.end_object();
    write_file(journal(), json.str());
    write_file(partial(), all.substr(0, rows * kRowBytes) + "half a row");
    const Outcome outcome = run();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(read_file(output_), whole_) << rows;
    EXPECT_FALSE(fs::exists(partial()));
    EXPECT_FALSE(fs::exists(journal()));
    fs::remove(output_);
  }
}

TEST_P(CliTablesResume, OtherModelsAreRefused) {
  Surroundings small;
  small.max_file_bytes = static_cast<int64_t>(40 * kRowBytes);
  EXPECT_NE(run(small).status, 0);
  write_file(partial(), std::string(40 * kRowBytes, '\0'));
  const Outcome outcome = run();
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("was begun with another model"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tamis::cli_test
