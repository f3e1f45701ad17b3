// An answer that is not finite is an error that names the input, whatever the command: never null,
// 0 or an empty text.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/cli/tamis_program.h"
#include "tests/support/overflowing_model.h"

namespace tamis::cli_test {
namespace {

constexpr int kUnsupported = 5;

/// A command whose model overflows for texts with the token "b".
struct Row {
  const char* model;
  std::vector<std::string> bad;   // arguments behind the model
  std::vector<std::string> good;  // the same without "b"; none where the head shares the embedding
};

const Row kRows[] = {
    {"bert-base", {"embed", "a b"}, {"embed", "a c"}},
    {"bert-base", {"embed", "a b", "--no-normalize"}, {"embed", "a c", "--no-normalize"}},
    {"bert-base", {"embed", "a b", "--dimensions", "2"}, {"embed", "a c", "--dimensions", "2"}},
    {"bert-base", {"embed", "a b", "--precision", "int8"}, {"embed", "a c", "--precision", "int8"}},
    {"bert-base", {"embed", "a b", "--precision", "bf16"}, {"embed", "a c", "--precision", "bf16"}},
    {"bert-base", {"embed", "a b", "--isa", "avx2"}, {"embed", "a c", "--isa", "avx2"}},
    {"bert-sequence-classification", {"classify", "b"}, {"classify", "c"}},
    {"bert-sequence-classification",
     {"classify", "a b", "--precision", "bf16"},
     {"classify", "a c", "--precision", "bf16"}},
    {"bert-multi-label", {"classify", "b"}, {"classify", "c"}},
    {"bert-regression", {"classify", "b"}, {"classify", "c"}},
    {"bert-rerank", {"rerank", "--query", "a", "c", "b"}, {"rerank", "--query", "a", "c", "d"}},
    {"bert-rerank",
     {"rerank", "--query", "a", "b", "--raw-scores"},
     {"rerank", "--query", "a", "c", "--raw-scores"}},
    {"bert-token-classification", {"ner", "a b"}, {"ner", "a c"}},
    {"bert-token-classification",
     {"ner", "a b", "--aggregation", "none", "--precision", "int8"},
     {"ner", "a c", "--aggregation", "none", "--precision", "int8"}},
    {"bert-question-answering",
     {"qa", "--question", "a", "--context", "b c"},
     {"qa", "--question", "a", "--context", "d c"}},
    {"bert-question-answering",
     {"qa", "--question", "a", "--context", "b c", "--handle-impossible-answer"},
     {"qa", "--question", "a", "--context", "d c", "--handle-impossible-answer"}},
    {"bert-sequence-classification", {"classify", "a b", "--precision", "int8"}, {}},
    {"bert-masked-lm", {"fill-mask", "[MASK] b"}, {}},
    {"bert-masked-lm", {"fill-mask", "[MASK] b", "--target", "a"}, {}},
};

Outcome run(const std::string& model, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin() + 1, model);
  return tamis(arguments);
}

TEST(CliNotFinite, IsAnErrorOfEveryCommand) {
  const TempFolder folder;
  for (const Row& row : kRows) {
    SCOPED_TRACE(cat(row.model, " ", testing::PrintToString(row.bad)));
    const std::string model = folder.copy(cat("models/", row.model)).string();
    const Outcome before = row.good.empty() ? Outcome() : run(model, row.good);
    EXPECT_EQ(before.status, 0) << before.err;
    test::make_overflowing(model, "b");
    const Outcome bad = run(model, row.bad);
    EXPECT_EQ(bad.status, kUnsupported) << bad.out;
    EXPECT_EQ(bad.out, "");
    // Said once; int8 made at load may have warned before.
    const std::vector<std::string> said = lines(bad.err);
    ASSERT_FALSE(said.empty());
    EXPECT_NE(said.back().find("is not finite"), std::string::npos) << bad.err;
    EXPECT_EQ(bad.err.find("is not finite"), bad.err.rfind("is not finite")) << bad.err;
    // The other texts' answers are what they were.
    if (row.good.empty()) continue;
    EXPECT_EQ(run(model, row.good).out, before.out);
  }
}

TEST(CliNotFinite, NamesTheInput) {
  const TempFolder folder;
  const std::string model = folder.copy("models/bert-base").string();
  test::make_overflowing(model, "b");
  const std::string file = folder.write("in.txt", "a\nc\na b\n");
  EXPECT_NE(tamis({"embed", model, "--input", file}).err.find("in.txt:3: "), std::string::npos);
  EXPECT_NE(tamis({"embed", model, "a", "b"}).err.find("input 1, counted from 0: "),
            std::string::npos);
  const Outcome npy = tamis({"embed", model, "--input", file, "--output", folder / "out.npy"});
  EXPECT_EQ(npy.status, kUnsupported);
  EXPECT_FALSE(file_exists(folder / "out.npy"));
  const std::string rerank = folder.copy("models/bert-rerank").string();
  test::make_overflowing(rerank, "b");
  const Outcome ranked = tamis({"rerank", rerank, "--query", "a", "c", "d", "b"});
  EXPECT_NE(ranked.err.find("of text 2 is not finite"), std::string::npos) << ranked.err;
}

TEST(CliNotFinite, HasNoAccuracy) {
  const TempFolder folder;
  const std::string model = folder.copy("models/bert-sequence-classification").string();
  test::make_overflowing(model, "b");
  const std::string data = folder.write("rows.tsv", "text\tlabel\na\t0\nb\t1\n");
  const Outcome outcome = tamis({"eval", model, "--data", data});
  EXPECT_EQ(outcome.status, kUnsupported);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("rows.tsv:3: "), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tamis::cli_test
