// Bad input: one line on standard error that names file and place, nothing on standard output, and
// the exit status of the error's code.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

// Exit statuses, as include/tamis/error.h gives them.
constexpr int kInvalid = 2;
constexpr int kCorrupt = 3;
constexpr int kNotFound = 4;
constexpr int kUnsupported = 5;
constexpr int kUnavailable = 9;

const std::string kClassifier = testdata("models/bert-sequence-classification");
constexpr const char* kQueryWeight = "bert.encoder.layer.0.attention.self.query.weight";

void expect_refused(const Outcome& outcome, int status, const std::string& message) {
  EXPECT_EQ(outcome.status, status);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.substr(0, 7), "tamis: ");
  EXPECT_EQ(lines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
}

void refuse(const std::vector<std::string>& arguments, int status, const std::string& message,
            const std::string& input = "") {
  SCOPED_TRACE(testing::PrintToString(arguments).substr(0, 300));
  Surroundings around;
  around.input = input;
  expect_refused(tamis(arguments, around), status, message);
}

void replace(const fs::path& path, const std::string& from, const std::string& to,
             const std::string& after = "") {
  std::string bytes = read_file(path);
  const size_t begin = after.empty() ? 0 : bytes.find(after);
  ASSERT_NE(begin, std::string::npos) << after;
  const size_t at = bytes.find(from, begin);
  ASSERT_NE(at, std::string::npos) << from;
  bytes.replace(at, from.size(), to);
  write_file(path, bytes);
}

TEST(CliErrors, FilesThatAreNotThere) {
  const TempFolder folder;
  refuse({"classify", kClassifier, "--input", folder / "none.txt"}, kNotFound,
         "none.txt: no such file");
  refuse({"classify", folder / "none", "a"}, kNotFound, "none\": no such folder");
  refuse({"classify", "org/none", "a"}, kNotFound, "\"org/none\": no such folder, and");
  refuse({"classify", folder / ".", "a"}, kNotFound, "not a model");
  refuse({"eval", kClassifier, "--data", folder / "none.tsv"}, kNotFound, "none.tsv: no such file");
  fs::create_directory(folder / "folder.txt");
  refuse({"classify", kClassifier, "--input", folder / "folder.txt"}, kInvalid, "folder.txt");
}

TEST(CliErrors, FilesThatAreNotRowsOfText) {
  const TempFolder folder;
  const std::string column = folder.write("a.tsv", "words\tmore\nx\ty\n");
  refuse({"classify", kClassifier, "--input", column}, kCorrupt, "a.tsv:1: the header names");
  const std::string fields = folder.write("b.tsv", "text\tlabel\na\t1\nb\n");
  refuse({"eval", kClassifier, "--data", fields}, kCorrupt, "b.tsv:3: 1 fields");
  const std::string bytes = folder.write("a.txt",
                                         "good\nb\xff"
                                         "d\n");
  refuse({"classify", kClassifier, "--input", bytes}, kCorrupt, "a.txt:2: byte 2");
  refuse({"classify", kClassifier, "a\xff"}, kInvalid, "UTF-8");
  refuse({"classify", kClassifier, "--input", "-"}, kCorrupt,
         "standard input:2: ", "{\"text\":\"a\"}\n{\"text\":3}\n");
  refuse({"classify", kClassifier, "--input", folder.write("a.csv", "a")}, kInvalid,
         "accepted are .txt, .tsv, .jsonl");
}

TEST(CliErrors, RowsThatTheTaskCannotRun) {
  const TempFolder folder;
  const std::string question =
      folder.write("a.jsonl", "{\"text\":\"a\"}\n{\"question\":\"a\",\"context\":\"b\"}\n");
  refuse({"classify", kClassifier, "--input", question}, kInvalid, "a.jsonl:2: this command needs");
  const std::string masks = folder.write("b.txt", "a [MASK] b\n\nno mask\n");
  refuse({"fill-mask", testdata("models/bert-masked-lm"), "--input", masks}, kInvalid,
         "b.txt:2: fill-mask: no mask token");
  const std::string empty = folder.write(
      "c.jsonl", "{\"question\":\"a\",\"context\":\"b\"}\n{\"question\":\"\",\"context\":\"b\"}\n");
  refuse({"qa", testdata("models/bert-question-answering"), "--input", empty}, kInvalid,
         "c.jsonl:2: question cannot be empty");
  const std::string label = folder.write("d.tsv", "text\tlabel\na\t0\nb\t9\n");
  refuse({"eval", kClassifier, "--data", label}, kInvalid, "d.tsv:3: label \"9\" is none of");
}

TEST(CliErrors, ArgumentsThatAreNotTaken) {
  refuse({"classify", kClassifier, "a", "--frobnicate"}, kInvalid, "--frobnicate");
  refuse({"divine"}, kInvalid, "unknown command \"divine\"; known are optimize");
  refuse({"classify"}, kInvalid, "MODEL");
  refuse({"classify", kClassifier}, kInvalid, "give texts or --input");
  refuse({"classify", kClassifier, "a", "--input", "x.txt"}, kInvalid, "not both");
  refuse({"inspect", kClassifier, "--task", "divine"}, kInvalid, "known are embed, classify");
  refuse({"eval", kClassifier, "--data", "x.tsv", "--task", "divine"}, kInvalid, "known are");
  refuse({"classify", kClassifier, "a", "--isa", "sse9"}, kInvalid, "known are reference, avx2");
  refuse({"classify", kClassifier, "a", "--threads", "0"}, kInvalid, "must lie in 1..1024");
  refuse({"classify", kClassifier, "a", "--threads", "many"}, kInvalid, "--threads");
  refuse({"classify", kClassifier, "a", "--precision", "int3"}, kInvalid, "int3");
  refuse({"classify", kClassifier, "a", "--max-length", "-1"}, kInvalid, "--max-length -1");
  refuse({"classify", kClassifier, "a", "--max-length", "1"}, kInvalid, "special tokens");
  refuse({"classify", kClassifier, "a", "--max-batch-tokens", "0"}, kInvalid, "at least 1");
  refuse({"classify", kClassifier, "a", "--top-k", "0"}, kInvalid, "top_k");
  refuse({"classify", kClassifier, "a", "--function", "max"}, kInvalid, "softmax, sigmoid or none");
  refuse({"bench", kClassifier, "--shape", "0x5"}, kInvalid, "BATCHxLENGTH");
  refuse({"bench"}, kInvalid, "MODEL is missing; see bench --help");
  refuse({"bench", kClassifier, "--fit-costs"}, kInvalid, "it takes no MODEL");
  refuse({"bench", kClassifier, "--shape", "8"}, kInvalid, "BATCHxLENGTH");
  refuse({"bench", kClassifier, "--shape", "1x4000"}, kInvalid, "the model takes at most");
  refuse({"ner", kClassifier, "a"}, kUnsupported, "made for another task");
  refuse({"embed", testdata("models/bert-base"), "a", "--dimensions", "99"}, kInvalid, "99");
  refuse({"embed", testdata("models/bert-base"), "a", "--prompt-name", "x"}, kInvalid, "x");
}

TEST(CliErrors, WeightsThatAreNotWhole) {
  const TempFolder folder;
  const fs::path model = folder.copy("models/bert-sequence-classification");
  const std::string whole = read_file(model / "model.safetensors");
  const auto refuse_bytes = [&](std::string_view bytes, const std::string& message) {
    write_file(model / "model.safetensors", bytes);
    refuse({"classify", model.string(), "a"}, kCorrupt, message);
  };
  for (const size_t size :
       {size_t{0}, size_t{7}, size_t{8}, size_t{200}, whole.size() / 2, whole.size() - 1}) {
    refuse_bytes(std::string_view(whole).substr(0, size), "model.safetensors: ");
  }
  refuse_bytes(whole + "x", "1 bytes behind the last tensor");
  refuse_bytes("\xff\xff\xff\xff\xff\xff\xff\x7f" + whole.substr(8), "over the format's limit");
}

TEST(CliErrors, TensorsOfTheWrongKind) {
  const TempFolder folder;
  const auto refuse_header = [&](const char* from, const char* to, int status,
                                 const std::string& message) {
    const fs::path model = folder.copy("models/bert-sequence-classification");
    replace(model / "model.safetensors", from, to, kQueryWeight);
    refuse({"classify", model.string(), "a"}, status, message);
  };
  const std::string named = cat("tensor \"", kQueryWeight, "\" ");
  refuse_header("\"F32\"", "\"I32\"", kCorrupt, named + "is I32[32, 32]; expected F32");
  refuse_header("\"F32\"", "\"Q42\"", kUnsupported, named + "has dtype Q42; accepted are");
  refuse_header("[32,32]", "[16,64]", kCorrupt, named + "is F32[16, 64]; expected");
  refuse_header("query", "other", kCorrupt,
                "no tensor \"bert.encoder.layer.0.attention.self.query");
}

TEST(CliErrors, WeightsThatAreNotNumbers) {
  const TempFolder folder;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const fs::path model = folder.copy("models/bert-sequence-classification");
    std::string bytes = read_file(model / "model.safetensors");
    // The last number of the last tensor, classifier.weight.
    std::memcpy(bytes.data() + bytes.size() - sizeof(bad), &bad, sizeof(bad));
    write_file(model / "model.safetensors", bytes);
    for (const char* command : {"classify", "optimize"}) {
      std::vector<std::string> arguments = {command, model.string()};
      if (arguments[0] == "classify") arguments.emplace_back("a");
      if (arguments[0] == "optimize") arguments.insert(arguments.end(), {"-o", folder / "bundle"});
      refuse(arguments, kCorrupt, "\"classifier.weight\" holds NaN or infinity");
    }
    EXPECT_FALSE(fs::exists(folder / "bundle"));
  }
}

TEST(CliErrors, ConfigsThatAreNotBuilt) {
  const TempFolder folder;
  const auto refuse_config = [&](const char* from, const char* to, int status,
                                 const std::string& message) {
    const fs::path model = folder.copy("models/bert-sequence-classification");
    replace(model / "config.json", from, to);
    refuse({"classify", model.string(), "a"}, status, message);
  };
  refuse_config("\"bert\"", "\"gpt9\"", kUnsupported, "model_type \"gpt9\" is not built; accepted");
  refuse_config("\"hidden_act\": \"", "\"hidden_act\": \"x", kUnsupported,
                "is not built; accepted");
  refuse_config("\"is_decoder\": false", "\"is_encoder_decoder\": true", kUnsupported,
                "only encoders");
  refuse_config("\"is_decoder\"", "\"auto_map\": {\"AutoModel\": \"a.B\"}, \"is_decoder\"",
                kUnsupported, "never run");
  // What would take terabytes.
  refuse_config("\"vocab_size\": ", "\"vocab_size\": 1000000", kCorrupt, "config.json: vocab_size");
  refuse_config("\"hidden_size\": ", "\"hidden_size\": 1000000", kCorrupt, "hidden_size is");
  refuse_config("\"vocab_size\": 380", "\"vocab_size\": 16000000", kCorrupt, "[380, 32]; expected");
  refuse_config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000", kCorrupt, "layer.2.");
  refuse_config("{", "[", kCorrupt, "config.json: not valid JSON");
}

// BART answers by the state of the end of a text, which the tokenizer here does not write.
TEST(CliErrors, TextsWithoutTheTokenThatAnswers) {
  const TempFolder folder;
  const fs::path model = folder.copy("models/bart-sequence-classification");
  replace(model / "config.json", "\"eos_token_id\": 2", "\"eos_token_id\": 279");
  refuse({"classify", model.string(), "a"}, kInvalid, "sequence 0 has no token 279 (eos_token_id)");
}

TEST(CliErrors, PicklesThatAreMoreThanTensors) {
  const TempFolder folder;
  int tried = 0;
  for (const auto& entry : fs::directory_iterator(TAMIS_UNPACKED_TESTDATA "/hostile/bin")) {
    if (entry.path().extension() != ".bin") continue;
    const fs::path model = folder.copy("models/bert-sequence-classification");
    fs::remove(model / "model.safetensors");
    fs::copy(entry.path(), model / "pytorch_model.bin");
    SCOPED_TRACE(entry.path().string());
    const Outcome outcome = tamis({"classify", model.string(), "a"});
    EXPECT_EQ(outcome.status, outcome.status == kCorrupt ? kCorrupt : kUnsupported);
    // Four can be read as far as anyone asks, but do not hold this model.
    const std::string name = entry.path().filename().string();
    const bool harmless = name == "good.bin" || name == "zip-crc.bin" ||
                          name == "storage-kind.bin" || name == "legacy-whole.bin";
    expect_refused(outcome, outcome.status, harmless ? "no tensor" : "pytorch_model.bin");
    ++tried;
  }
  EXPECT_GT(tried, 0);
}

TEST(CliErrors, TokenizersThatAreNotWellFormed) {
  const TempFolder folder;
  const std::string whole = read_file(kClassifier + "/tokenizer.json");
  const auto refuse_json = [&](const std::string& json, const std::string& message) {
    const fs::path model = folder.copy("models/bert-sequence-classification");
    write_file(model / "tokenizer.json", json);
    refuse({"classify", model.string(), "a"}, kCorrupt, message);
    refuse({"tokenize", model.string(), "a"}, kCorrupt, message);
  };
  std::string deep = "{\"type\":\"Lowercase\"}";
  std::string head;
  for (int i = 0; i < 100000; ++i) head += "{\"type\":\"Sequence\",\"normalizers\":[";
  deep = head + deep;
  for (int i = 0; i < 100000; ++i) deep += "]}";
  refuse_json("{\"normalizer\":" + deep + "," + whole.substr(1), "nested deeper than 64 levels");
  refuse_json(std::string(100000, '['), "tokenizer.json: not valid JSON");
  refuse_json("", "it is empty");
  refuse_json("[]", "tokenizer.json");
  std::string ids = whole;
  const size_t at = ids.find("\"vocab\"");
  ASSERT_NE(at, std::string::npos);
  ids.insert(ids.find('{', at) + 1, "\"zzz\": 4000000,");
  refuse_json(ids, "4000000 of token \"zzz\" is outside the vocabulary");
}

// A tokenizer may know tokens that the embedding table has no row for.
TEST(CliErrors, TokensBehindTheEmbeddingTable) {
  const TempFolder folder;
  const fs::path model = folder.copy("models/bert-sequence-classification");
  replace(model / "tokenizer.json", "\"added_tokens\":[",
          "\"added_tokens\":[{\"id\": 380, \"content\": \"zebra\", \"single_word\": false, "
          "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false},");
  const Outcome outcome = tamis({"classify", model.string(), "a zebra"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_LT(outcome.status, 70) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("380"), std::string::npos) << outcome.err;
}

TEST(CliErrors, OutputThatCannotBeWritten) {
  const TempFolder folder;
  Surroundings full;
  full.output_to = "/dev/full";
  Surroundings closed;
  closed.output_closed = true;
  const std::vector<std::vector<std::string>> commands = {{"classify", kClassifier, "a"},
                                                          {"inspect", kClassifier, "--graph"},
                                                          {"--help"},
                                                          {"--version"},
                                                          {"embed", "--help"},
                                                          {"inspect", kClassifier},
                                                          {"tokenize", kClassifier, "a"}};
  for (const auto& arguments : commands) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    for (const auto& [around, why] :
         {std::pair(full, "No space left on device"), std::pair(closed, "Bad file descriptor")}) {
      const Outcome outcome = tamis(arguments, around);
      EXPECT_EQ(outcome.status, kUnavailable);
      // What was lost before the end has no reason any more.
      const std::string message = "tamis: standard output: cannot be written";
      EXPECT_TRUE(outcome.err == message + "\n" || outcome.err == cat(message, ": ", why, "\n"))
          << outcome.err;
    }
  }
  // A closed standard output does not touch what goes to a file.
  const std::string file = folder / "out.jsonl";
  EXPECT_EQ(tamis({"classify", kClassifier, "a", "--output", file}, closed).status, 0);
  EXPECT_EQ(read_file(file), tamis({"classify", kClassifier, "a"}).out);
  // A reader that went away ends the program, as any in a pipe.
  Surroundings unread;
  unread.output_unread = true;
  EXPECT_EQ(tamis({"classify", kClassifier, "a"}, unread).status, 1000 + 13);

  refuse({"classify", kClassifier, "a", "--output", "/dev/full"}, kUnavailable,
         "/dev/full: cannot be written");
  refuse({"classify", kClassifier, "a", "--output", folder / "no/such/out.jsonl"}, kUnavailable,
         "out.jsonl: cannot be written");
}

TEST(CliErrors, NothingHalfWritten) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += cat("text ", i, "\n");
  const std::string input = folder.write("in.txt", text);
  Surroundings full;
  full.max_file_bytes = 100000;
  for (const char* name : {"out.jsonl", "out.npy"}) {
    const Outcome outcome = tamis(
        {"embed", testdata("models/bert-base"), "--input", input, "--output", folder / name}, full);
    expect_refused(outcome, kUnavailable, cat(name, ": cannot be written"));
  }
  const Outcome bundle =
      tamis({"optimize", kClassifier, "-o", folder / "bundle", "--seconds", "0"}, full);
  expect_refused(bundle, kUnavailable, "model.safetensors");
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_EQ(left, std::vector<std::string>{"in.txt"});
}

}  // namespace
}  // namespace tamis::cli_test
