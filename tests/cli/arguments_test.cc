// What the command line makes of its words: texts and models byte for byte as they were given, and
// nothing in what it prints that a terminal would obey.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kEmbedder = testdata("models/bert-base");
const std::string kClassifier = testdata("models/bert-sequence-classification");
const std::string kMasked = testdata("models/bert-masked-lm");

const char* const kTexts[] = {"[CLS]", "[Ada, London]", "[]",  "{}", "[[a], b]", "%%", "-",
                              "-3",    "- a",           "a,b", "@a", "\"a\"",    "",   "--- a"};

// A text in a file has no command line to go through.
std::string of_file(const std::string& command, const std::string& model, const std::string& text) {
  const TempFolder folder;
  return tamis({command, model, "--input", folder.write("a.txt", text + "\n")}).out;
}

TEST(CliArguments, TextsAreTakenAsTheyAre) {
  const std::pair<const char*, std::string> commands[] = {
      {"embed", kEmbedder},
      {"tokenize", kEmbedder},
      {"classify", kClassifier},
      {"ner", testdata("models/bert-token-classification")}};
  for (const auto& [command, model] : commands) {
    std::vector<std::string> arguments = {command, model};
    std::string expected;
    for (const char* text : kTexts) {
      arguments.emplace_back(text);
      expected += of_file(command, model, text);
    }
    EXPECT_EQ(tamis(arguments).out, expected) << command;
    EXPECT_EQ(lines(expected).size(), std::size(kTexts)) << command;
  }
  EXPECT_EQ(tamis({"fill-mask", kMasked, "[MASK] a [MASK]"}).out,
            of_file("fill-mask", kMasked, "[MASK] a [MASK]"));
}

TEST(CliArguments, OptionsAreTakenAsTheyAre) {
  const std::string plain = tamis({"embed", kEmbedder, "x"}).out;
  EXPECT_EQ(tamis({"embed", kEmbedder, "x", "--prompt=", "--threads", "1"}).out, plain);
  EXPECT_EQ(tamis({"embed", kEmbedder, "x", "--prompt", ""}).out, plain);
  EXPECT_EQ(tamis({"embed", kEmbedder, "c]", "--prompt", "[a, b"}).out,
            tamis({"embed", kEmbedder, "[a, bc]"}).out);
  EXPECT_EQ(tamis({"embed", kEmbedder, "x", "--prompt", "--version"}).out,
            tamis({"embed", kEmbedder, "--", "--versionx"}).out);
  const Outcome pair = tamis({"classify", kClassifier, "a", "--pair", "[b, c]"});
  EXPECT_EQ(lines(pair.out).size(), 1U);
  EXPECT_EQ(pair.status, 0);
  EXPECT_NE(pair.out, tamis({"classify", kClassifier, "a", "--pair", "b, c"}).out);
}

TEST(CliArguments, ModelsAreTakenAsTheyAre) {
  const TempFolder folder;
  for (const char* name : {"[m]", "[a,b]", "{m}", "a=b", "~", "$HOME", "m m", "-m", "%m"}) {
    const fs::path model = folder / name;
    fs::copy(testdata("models/bert-base"), model);
    const Outcome outcome = tamis({"embed", model.string(), "x"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(tamis({"inspect", model.string()}).status, 0) << name;
    EXPECT_EQ(tamis({"tokenize", model.string(), "x"}).status, 0) << name;
  }
}

// Label 0 renamed to something that would turn a terminal red, clear it and fake a line.
fs::path with_hostile_label(const TempFolder& folder) {
  fs::path model = folder.copy("models/bert-sequence-classification");
  std::string config = read_file(model / "config.json");
  const size_t at = config.find("\"id2label\"");
  const size_t value = config.find(':', config.find("\"0\"", at)) + 1;
  const size_t end = config.find_first_of(",}", value);
  config.replace(value, end - value, " \"\\u001b[31mA\\u009b2J\\nfamily  b\\u007f\"");
  write_file(model / "config.json", config);
  return model;
}

void expect_plain(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    EXPECT_TRUE(byte >= 0x20 || byte == '\n') << text.substr(0, i);
    EXPECT_NE(byte, 0x7f);
    if (byte == 0xc2 && i + 1 < text.size()) {
      EXPECT_GE(static_cast<unsigned char>(text[i + 1]), 0xa0) << text.substr(0, i);
    }
  }
}

TEST(CliArguments, NothingPrintedCommandsATerminal) {
  const TempFolder folder;
  const fs::path model = with_hostile_label(folder);
  const std::vector<std::vector<std::string>> commands = {
      {"inspect", model.string()},
      {"inspect", model.string(), "--json"},
      {"inspect", model.string(), "--graph"},
      {"classify", model.string(), "a"},
      {"optimize", model.string(), "-o", folder / "b\x1b[2J", "--seconds", "0", "--precision",
       "fp32"},
      {"embed", folder / "none\x1b]0;x\a/a/b", "a"},
      {"embed", "a\x1b[31m\nb", "a"},
      {"classify", model.string(), "a", "--input", "x\x1b[31m\r.txt"},
      {"classify", model.string(), "a", "--\x1b[31m"},
      {"fill-mask", kMasked, "\x1b[31m\xc2\x9b no mask"}};
  for (const auto& arguments : commands) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    const Outcome outcome = tamis(arguments);
    EXPECT_NE(outcome.out + outcome.err, "");
    expect_plain(outcome.out);
    expect_plain(outcome.err);
  }
  // The label stands on one line, and JSON still says what it is.
  const std::string text = tamis({"inspect", model.string()}).out;
  EXPECT_NE(text.find("\\u001b[31mA\\u009b2J\\nfamily  b\\u007f\n"), std::string::npos) << text;
  const JsonDocument json =
      JsonDocument::parse(tamis({"inspect", model.string(), "--json"}).out, "inspect");
  EXPECT_EQ(json.root().get("labels").at(0).as_string("label"),
            "\x1b[31mA\xc2\x9b"
            "2J\nfamily  b\x7f");
}

TEST(CliArguments, EndingsInLettersOfEitherCase) {
  const TempFolder folder;
  const std::string expected = tamis({"classify", kClassifier, "a", "b"}).out;
  const std::pair<const char*, const char*> files[] = {
      {"a.TXT", "a\nb\n"},
      {"a.Tsv", "text\tid\na\t1\nb\t2\n"},
      {"a.JSONL", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"},
      {"cr.txt", "a\rb\r"},
      {"cr.tsv", "text\tid\ra\t1\rb\t2"},
      {"cr.jsonl", "{\"text\":\"a\"}\r\r{\"text\":\"b\"}\r"}};
  for (const auto& [name, bytes] : files) {
    EXPECT_EQ(tamis({"classify", kClassifier, "--input", folder.write(name, bytes)}).out, expected)
        << name;
  }
  EXPECT_EQ(tamis({"embed", kEmbedder, "a", "--output", folder / "a.NPY"}).status, 0);
  EXPECT_EQ(read_npy(folder / "a.NPY").shape()[0], 1);
}

TEST(CliArguments, ErrorsAreSaidOnce) {
  const TempFolder folder;
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
#ifdef TAMIS_SERVE
           {"serve", folder / "none", "--port", "0", "--grpc-port", "-1"},
           {"serve", "m=org/none", "--port", "0", "--grpc-port", "-1"},
#endif
           {"embed", folder / "none", "a"},
           {"optimize", folder / "none", "-o", folder / "b", "--seconds", "0"}}) {
    const Outcome outcome = tamis(arguments);
    EXPECT_EQ(outcome.status, 4) << outcome.err;
    EXPECT_EQ(lines(outcome.err).size(), 1U) << outcome.err;
  }
}

#ifdef TAMIS_SERVE
// Before anything is listened on or loaded.
TEST(CliArguments, WhatAServerCannotHoldToIsRefused) {
  for (const auto& [flag, value, bound] : {std::tuple{"--drain-timeout", "0", "at least 1"},
                                           {"--drain-timeout", "9000000000000000000", "at most"},
                                           {"--default-timeout", "9000000000000000000", "at most"},
                                           {"--max-body", "999999999999", "must be at least"},
                                           {"--max-held-bytes", "22369620", "at least 22369622"},
                                           {"--trace-share", "0.5", "--otlp-endpoint"},
                                           {"--api-key", "", "is empty"},
                                           {"--api-keys", "", "is empty"},
                                           {"--tls-certificate", "", "is empty"},
                                           {"--tokenizer-threads", "100000", "0..1024"},
                                           {"--weight", "di=2", "no model has that name"},
                                           {"--task", "di=rerank", "no model has that name"},
                                           {"--hold-queue", "-1", "must be at least 0"},
                                           {"--default-timeout", "-5", "must be at least 0"},
                                           {"--cors-origin", "a.example", "scheme and host"},
                                           {"--cors-origin", "https://a/", "nothing behind"}}) {
    const Outcome outcome = tamis({"serve", "--identity-model", "id", flag, value});
    EXPECT_EQ(outcome.status, 2) << flag;
    EXPECT_NE(outcome.err.find(bound), std::string::npos) << outcome.err;
  }
}
#endif

// What one label says of one text, and of pairs.
TEST(CliArguments, EvalFollowsTheRowsOfAOneLabelModel) {
  const TempFolder folder;
  const std::string model = testdata("models/bert-rerank");
  const std::string texts = folder.write("a.tsv", "text\tlabel\na\t1\nb\t0\nc d\t1\n");
  const Outcome followed = tamis({"eval", model, "--data", texts, "--json"});
  EXPECT_EQ(followed.status, 0) << followed.err;
  EXPECT_EQ(followed.out,
            tamis({"eval", model, "--data", texts, "--json", "--task", "classify"}).out);
  const Outcome asked = tamis({"eval", model, "--data", texts, "--task", "rerank"});
  EXPECT_EQ(asked.status, 2);
  EXPECT_NE(asked.err.find("--task classify"), std::string::npos) << asked.err;
}

// Every exit status that the command line can give is in the README's table.
TEST(CliArguments, ExitStatusesAreDocumented) {
  const std::string readme = read_file(fs::path(TAMIS_SOURCE_FOLDER) / "README.md");
  const size_t table = readme.find("| exit status |");
  ASSERT_NE(table, std::string::npos);
  const std::string_view rows = std::string_view(readme).substr(table);
  for (const ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kCorruptData, ErrorCode::kNotFound,
        ErrorCode::kUnsupported, ErrorCode::kUnavailable, ErrorCode::kOutOfMemory,
        ErrorCode::kInternal}) {
    EXPECT_NE(rows.find(cat("\n| ", exit_status(code), " | ")), std::string::npos)
        << error_code_name(code);
  }
}

#ifndef TAMIS_SANITIZED
TEST(CliArguments, MemoryDoesNotGrowWithTheTexts) {
  const TempFolder folder;
  const auto file_of = [&folder](const char* name, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "{\"text\":\"some words to embed here\"}\n";
    return folder.write(name, text);
  };
  const std::string few = file_of("few.jsonl", 1000);
  const std::string many = file_of("many.jsonl", 30000);
  for (const char* out : {"out.npy", "out.jsonl"}) {
    const auto embed = [&](const std::string& input) {
      const Outcome outcome =
          tamis({"embed", kEmbedder, "--threads", "1", "--input", input, "--output", folder / out});
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      return outcome.peak_kib;
    };
    const int64_t of_few = embed(few);
    EXPECT_LT(embed(many), of_few + 4096) << out;
  }
  EXPECT_EQ(read_npy(folder / "out.npy").shape()[0], 30000);
}
#endif

}  // namespace
}  // namespace tamis::cli_test
