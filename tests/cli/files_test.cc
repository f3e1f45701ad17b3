// What goes in and comes out: kinds of files, standard input and output, order, empty and long
// texts.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

const std::string kEmbedder = testdata("models/bert-base");
const std::string kClassifier = testdata("models/bert-sequence-classification");
constexpr const char* kCommands[] = {"optimize",  "bench",     "eval",     "embed",
                                     "classify",  "ner",       "qa",       "rerank",
                                     "fill-mask", "zero-shot", "tokenize", "inspect"};

std::string good(const std::vector<std::string>& arguments, const Surroundings& around = {}) {
  const Outcome outcome = tamis(arguments, around);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return outcome.out;
}

TEST(CliFiles, TakeTheSameTextsInEveryForm) {
  const TempFolder folder;
  const std::string expected = good({"classify", kClassifier, "A fine film.", "Où est-il ?"});
  EXPECT_EQ(lines(expected).size(), 2U);
  const std::string txt = folder.write("a.txt", "A fine film.\nOù est-il ?\n");
  const std::string crlf = folder.write("b.txt",
                                        "\xef\xbb\xbf"
                                        "A fine film.\r\nOù est-il ?");
  const std::string tsv = folder.write("a.tsv", "id\ttext\n7\tA fine film.\n8\tOù est-il ?\n");
  const std::string jsonl =
      folder.write("a.jsonl", "{\"text\":\"A fine film.\"}\n\n{\"text\":\"O\\u00f9 est-il ?\"}\n");
  for (const std::string& file : {txt, crlf, tsv, jsonl}) {
    EXPECT_EQ(good({"classify", kClassifier, "--input", file}), expected) << file;
  }
  const std::string marked =
      folder.write("b.jsonl", cat("\xef\xbb\xbf", read_file(jsonl)));  // as PowerShell writes it
  for (const std::string& file : {txt, jsonl, crlf, marked}) {
    Surroundings around;
    around.input = read_file(file);
    EXPECT_EQ(good({"classify", kClassifier, "--input", "-"}, around), expected) << file;
  }
  const std::string out = folder / "out.jsonl";
  EXPECT_EQ(good({"classify", kClassifier, "--input", txt, "--output", out}), "");
  EXPECT_EQ(read_file(out), expected);
}

TEST(CliFiles, TakePairsFromColumnsAndFlag) {
  const TempFolder folder;
  const std::string tsv = folder.write("a.tsv", "text\ttext_pair\nOne.\tTwo.\n");
  const std::string expected = good({"classify", kClassifier, "One.", "--pair", "Two."});
  EXPECT_EQ(good({"classify", kClassifier, "--input", tsv}), expected);
  EXPECT_NE(good({"classify", kClassifier, "One."}), expected);
}

TEST(CliFiles, KeepTheOrderWhateverTheBatch) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 700; ++i) text += cat("Text ", i * 7919 % 701, " of ", i, ".\n");
  const std::string file = folder.write("many.txt", text);
  const std::string expected = good({"embed", kEmbedder, "--input", file});
  EXPECT_EQ(lines(expected).size(), 700U);
  EXPECT_EQ(good({"embed", kEmbedder, "--input", file, "--max-batch-tokens", "1"}), expected);
  EXPECT_EQ(good({"embed", kEmbedder, "--input", file, "--threads", "3"}), expected);
  // The last one alone.
  EXPECT_EQ(good({"embed", kEmbedder, lines(text).back()}), lines(expected).back() + "\n");
}

TEST(CliFiles, WriteNpy) {
  const TempFolder folder;
  const std::string file = folder.write("a.txt", "One.\nTwo words.\n\n");
  const std::string npy = folder / "out.npy";
  EXPECT_EQ(good({"embed", kEmbedder, "--input", file, "--output", npy}), "");
  const Tensor tensor = read_npy(npy);
  const auto expected = lines(good({"embed", kEmbedder, "--input", file}));
  ASSERT_EQ(tensor.shape()[0], 3);
  ASSERT_EQ(expected.size(), 3U);
  const auto values = tensor.view().as<float>();
  size_t at = 0;
  for (const std::string& line : expected) {
    const JsonDocument row = JsonDocument::parse(line, "output");
    const JsonView embedding = row.root().get("embedding");
    ASSERT_EQ(static_cast<int64_t>(embedding.size()), tensor.shape()[1]);
    for (size_t i = 0; i < embedding.size(); ++i, ++at) {
      ASSERT_EQ(values[at], static_cast<float>(embedding.at(i).as_double("x")));
    }
  }
}

TEST(CliFiles, GiveNothingForAnEmptyFile) {
  const TempFolder folder;
  for (const char* name : {"a.txt", "a.jsonl", "a.tsv"}) {
    const std::string file = folder.write(name, "");
    EXPECT_EQ(good({"embed", kEmbedder, "--input", file}), "");
    EXPECT_EQ(good({"classify", kClassifier, "--input", file}), "");
    EXPECT_EQ(good({"tokenize", kEmbedder, "--input", file}), "");
    EXPECT_EQ(good({"ner", testdata("models/bert-token-classification"), "--input", file}), "");
    EXPECT_EQ(good({"qa", testdata("models/bert-question-answering"), "--input", file}), "");
    EXPECT_EQ(good({"rerank", testdata("models/bert-rerank"), "--input", file}), "");
    EXPECT_EQ(good({"fill-mask", testdata("models/bert-masked-lm"), "--input", file}), "");
  }
  EXPECT_EQ(good({"embed", kEmbedder, "--input", "-"}), "");
  const std::string npy = folder / "out.npy";
  EXPECT_EQ(good({"embed", kEmbedder, "--input", folder / "a.txt", "--output", npy}), "");
  EXPECT_EQ(read_npy(npy).shape()[0], 0);
  EXPECT_EQ(read_npy(npy).shape()[1], 32);
  EXPECT_EQ(good({"eval", kClassifier, "--json", "--data", folder / "a.tsv"}), "{\"n\":0}\n");
}

TEST(CliFiles, AnswerAnEmptyText) {
  // Two special tokens and nothing else, as Hugging Face.
  const JsonDocument row = JsonDocument::parse(good({"embed", kEmbedder, ""}), "output");
  EXPECT_EQ(row.root().get("embedding").size(), 32U);
  EXPECT_EQ(good({"ner", testdata("models/bert-token-classification"), ""}), "{\"entities\":[]}\n");
  EXPECT_EQ(good({"tokenize", kEmbedder, "", "--no-special-tokens"}),
            "{\"input_ids\":[],\"tokens\":[],\"offsets\":[],\"token_type_ids\":[]}\n");
}

TEST(CliFiles, CutAndFlagALongTextQuickly) {
  const TempFolder folder;
  std::string text = "{\"text\":\"";
  while (text.size() < (size_t{10} << 20)) text += "ten million bytes of a text in one line, ";
  const std::string file = folder.write("long.jsonl", text + "\"}\n");
  const auto start = std::chrono::steady_clock::now();
  const std::string out = good({"embed", kEmbedder, "--input", file});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const JsonDocument row = JsonDocument::parse(out, "output");
  EXPECT_TRUE(row.root().get("truncated").as_bool("truncated"));
  // A second or so of work; far less than any machine needs to run the model on all of it.
  EXPECT_LT(seconds.count(), 60);
  const std::string labels = good({"classify", kClassifier, "--input", file});
  EXPECT_NE(labels.find("\"truncated\":true"), std::string::npos);
  const std::string entities =
      good({"ner", testdata("models/bert-token-classification"), "--input", file});
  EXPECT_NE(entities.find("\"truncated\":true"), std::string::npos);
  EXPECT_EQ(good({"embed", kEmbedder, "short"}).find("truncated"), std::string::npos);
}

TEST(CliFiles, HelpShowsAnExample) {
  const std::string all = good({"--help"});
  for (const char* command : kCommands) {
    EXPECT_NE(all.find(cat("  ", command, " ")), std::string::npos) << command;
    const std::string help = good({command, "--help"});
    EXPECT_NE(help.find(cat("Example:\n  tamis ", command, " ")), std::string::npos) << help;
    EXPECT_NE(help.find("--threads"), std::string::npos) << help;
  }
  EXPECT_EQ(tamis({}).status, 2);
}

TEST(CliFiles, VersionTellsCommitKernelSetsAndBundleFormat) {
  const std::string text = good({"--version"});
  EXPECT_EQ(lines(text).size(), 1U);
  EXPECT_EQ(text.substr(0, 6), "tamis ");
  EXPECT_NE(text.find("(commit "), std::string::npos);
  EXPECT_NE(text.find("bundle format 2, kernel sets here: reference"), std::string::npos);
  EXPECT_EQ(good({"embed", "--version"}), text);
}

TEST(CliFiles, TokenizeWritesWhatTheTokenizerDoes) {
  const JsonDocument row = JsonDocument::parse(good({"tokenize", kEmbedder, "A cat."}), "output");
  const JsonView root = row.root();
  EXPECT_EQ(root.get("input_ids").size(), root.get("tokens").size());
  EXPECT_EQ(root.get("tokens").at(0).as_string("token"), "[CLS]");
  EXPECT_EQ(root.get("offsets").size(), root.get("token_type_ids").size());
}

TEST(CliFiles, EvalTellsFiguresAndAgreement) {
  const TempFolder folder;
  const std::string data = folder.write("a.tsv", "text\tlabel\nOne.\t0\nTwo.\tpositive\n");
  const std::string json =
      good({"eval", kClassifier, "--data", data, "--against", kClassifier, "--json"});
  const JsonDocument row = JsonDocument::parse(json, "output");
  EXPECT_EQ(row.root().get("n").as_int("n"), 2);
  EXPECT_TRUE(row.root().get("accuracy").is_number());
  EXPECT_EQ(row.root().get("against").get("flips").as_double("flips"), 0);
  // One sided: 1 - 0.05^(1/2).
  EXPECT_NEAR(row.root().get("against").get("flips_upper_95").as_double("bound"), 0.776393, 1e-6);
  EXPECT_NE(good({"eval", kClassifier, "--data", data}).find("accuracy"), std::string::npos);
}

TEST(CliFiles, BenchChecksAndCounts) {
  const std::string json =
      good({"bench", kEmbedder, "--shape", "2x8", "--seconds", "1", "--json", "--threads", "1"});
  const JsonDocument row = JsonDocument::parse(json, "output");
  EXPECT_EQ(row.root().get("threads").as_int("threads"), 1);
  ASSERT_EQ(row.root().get("rows").size(), 1U);
  EXPECT_GT(row.root().get("rows").at(0).get("tokens_per_s").as_double("x"), 0);
}

TEST(CliFiles, EveryKernelSetAnswersAlike) {
  const std::string expected =
      good({"classify", kClassifier, "A fine film.", "--isa", "reference"});
  const JsonDocument reference = JsonDocument::parse(expected, "output");
  const JsonDocument native =
      JsonDocument::parse(good({"classify", kClassifier, "A fine film."}), "output");
  EXPECT_EQ(native.root().get("label").as_string("label"),
            reference.root().get("label").as_string("label"));
  EXPECT_NEAR(native.root().get("score").as_double("score"),
              reference.root().get("score").as_double("score"), 1e-5);
}

}  // namespace
}  // namespace tamis::cli_test
