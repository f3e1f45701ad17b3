// Bundles through the program: made the same twice, answering as their checkpoint, refused when a
// byte of them is another.
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kClassifier = testdata("models/bert-sequence-classification");

/// A bundle of the classifier, made once for the tests that only read it.
const std::string& bundle() {
  static const TempFolder folder;
  static const std::string path = [] {
    std::string made = folder / "bundle";
    const Outcome outcome = tamis(
        {"optimize", kClassifier, "-o", made, "--seconds", "0", "--json", "--precision", "fp32"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const JsonDocument report = JsonDocument::parse(outcome.out, "report");
    EXPECT_GT(report.root().get("latency").size(), 0U);
    EXPECT_EQ(outcome.out, read_file(fs::path(made) / "report.json"));
    return made;
  }();
  return path;
}

/// A copy of it that can be broken.
fs::path broken_bundle(const TempFolder& folder) {
  fs::path copy = folder.path() / "broken";
  fs::remove_all(copy);
  fs::copy(bundle(), copy);
  return copy;
}

TEST(CliBundles, AnswerAsTheirCheckpoint) {
  const std::vector<std::string> texts = {"A fine film.", "", "Où est-il ? 42"};
  const auto answer = [&texts](const std::string& model) {
    std::vector<std::string> arguments = {"classify", model};
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    const Outcome outcome = tamis(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(answer(bundle()), answer(kClassifier));
  EXPECT_EQ(tamis({"tokenize", bundle(), "A fine film."}).out,
            tamis({"tokenize", kClassifier, "A fine film."}).out);
}

TEST(CliBundles, AreTheSameBytesEveryTime) {
  const TempFolder folder;
  const std::string again = folder / "again";
  ASSERT_EQ(tamis({"optimize", kClassifier, "-o", again, "--seconds", "0", "--threads", "1",
                   "--precision", "fp32"})
                .status,
            0);
  int same = 0;
  for (const auto& entry : fs::directory_iterator(bundle())) {
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(fs::exists(fs::path(again) / name)) << name;
    // The reports hold timings.
    if (name.starts_with("report.")) continue;
    EXPECT_EQ(read_file(entry.path()), read_file(fs::path(again) / name)) << name;
    ++same;
  }
  for (const char* name :
       {"tamis.json", "graph.txt", "model.safetensors", "quantization.json", "tokenizer.json",
        "config.json", "selftest.json", "report.json", "report.html"}) {
    EXPECT_TRUE(fs::exists(fs::path(bundle()) / name)) << name;
  }
  EXPECT_GE(same, 7);
}

TEST(CliBundles, AreVerifiedByTheirHashes) {
  const Outcome good = tamis({"inspect", bundle(), "--verify"});
  EXPECT_EQ(good.status, 0) << good.err;
  const TempFolder folder;
  for (const char* name : {"graph.txt", "model.safetensors", "tokenizer.json", "config.json",
                           "selftest.json", "quantization.json"}) {
    const fs::path broken = broken_bundle(folder);
    std::string bytes = read_file(broken / name);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(broken / name, bytes);
    const Outcome outcome = tamis({"inspect", broken.string(), "--verify"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.out.find(cat(name, ": its SHA-256")), std::string::npos) << outcome.out;
  }
  const fs::path broken = broken_bundle(folder);
  fs::remove(broken / "config.json");
  EXPECT_EQ(tamis({"inspect", broken.string(), "--verify"}).status, 1);
  EXPECT_EQ(tamis({"inspect", kClassifier, "--verify"}).status, 2);
}

// A changed exponent of any weight that is used moves the answers beyond the self-test's tolerance.
TEST(CliBundles, WithAnotherWeightDoNotLoad) {
  const TempFolder folder;
  const fs::path broken = broken_bundle(folder);
  std::string bytes = read_file(broken / "model.safetensors");
  // The high byte of the last number: its sign and most of its exponent.
  bytes.back() = static_cast<char>(bytes.back() ^ 0x82);
  write_file(broken / "model.safetensors", bytes);
  const Outcome outcome = tamis({"classify", broken.string(), "a"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
}

void refuse(const fs::path& broken, const std::string& message) {
  const Outcome outcome = tamis({"classify", broken.string(), "a"});
  EXPECT_GE(outcome.status, 2);
  EXPECT_LE(outcome.status, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
}

void set_size(const fs::path& folder, const std::string& name, size_t before, size_t after) {
  std::string manifest = read_file(folder / "tamis.json");
  const std::string from = cat("\"bytes\": ", before);
  const size_t at = manifest.find(from, manifest.find("\"" + name + "\""));
  ASSERT_NE(at, std::string::npos) << manifest;
  manifest.replace(at, from.size(), cat("\"bytes\": ", after));
  write_file(folder / "tamis.json", manifest);
}

TEST(CliBundles, WithAnotherGraphDoNotLoad) {
  const TempFolder folder;
  const std::string graph = read_file(fs::path(bundle()) / "graph.txt");
  const auto refuse_graph = [&](const std::string& text, const std::string& message) {
    const fs::path broken = broken_bundle(folder);
    write_file(broken / "graph.txt", text);
    set_size(broken, "graph.txt", graph.size(), text.size());
    refuse(broken, message);
  };
  const fs::path broken = broken_bundle(folder);
  write_file(broken / "graph.txt", graph + "\n");
  refuse(broken, "graph.txt: ");
  refuse_graph("", "graph.txt");
  refuse_graph(graph.substr(0, graph.size() / 2), "graph.txt");
  refuse_graph("nonsense\n" + graph, "graph.txt");
  std::string unknown = graph;
  const size_t op = unknown.find("LayerNormalization");
  ASSERT_NE(op, std::string::npos);
  unknown.replace(op, 5, "Laxer");
  refuse_graph(unknown, "graph.txt");
  // Well formed, and another function: the self-test finds it.
  std::string other = graph;
  const std::string activation = "activation=gelu_tanh";
  const size_t at = other.find(activation);
  ASSERT_NE(at, std::string::npos);
  other.replace(at, activation.size(), "activation=relu");
  refuse_graph(other, "self-test");
}

TEST(CliBundles, WithAnotherManifestDoNotLoad) {
  const TempFolder folder;
  const std::string manifest = read_file(fs::path(bundle()) / "tamis.json");
  const std::map<std::string, std::string> changes = {
      {"\"format_version\": 2", "\"format_version\": 7"},
      {"\"graph.txt\"", "\"../graph.txt\""},
      {"\"classify\"", "\"divine\""},
      {"{", ""},
  };
  for (const auto& change : changes) {
    const fs::path broken = broken_bundle(folder);
    std::string text = manifest;
    const size_t at = text.find(change.first);
    ASSERT_NE(at, std::string::npos) << change.first;
    text.replace(at, change.first.size(), change.second);
    write_file(broken / "tamis.json", text);
    SCOPED_TRACE(change.second);
    refuse(broken, "tamis.json");
  }
  for (const char* task : {"ner", "embed", "fill-mask"}) {
    const fs::path other = broken_bundle(folder);
    std::string text = manifest;
    text.replace(text.find("\"classify\""), 10, cat("\"", task, "\""));
    write_file(other / "tamis.json", text);
    const Outcome outcome = tamis({task, other.string(), "a [MASK]"});
    EXPECT_TRUE(outcome.status == 3 || outcome.status == 4) << outcome.status << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  const fs::path broken = broken_bundle(folder);
  fs::remove(broken / "selftest.json");
  refuse(broken, "selftest.json: missing");
}

TEST(CliBundles, ReplaceOnlyBundlesAndOnlyIfAsked) {
  const TempFolder folder;
  const std::string there = folder / "there";
  fs::create_directory(there);
  const std::string precious = folder.write("there/letter.txt", "mine");
  for (const bool force : {false, true}) {
    std::vector<std::string> arguments = {"optimize", kClassifier, "-o", there, "--seconds", "0"};
    if (force) arguments.emplace_back("--force");
    EXPECT_EQ(tamis(arguments).status, 2);
    EXPECT_EQ(read_file(precious), "mine");
  }
  const fs::path old = broken_bundle(folder);
  write_file(old / "graph.txt", "broken");
  EXPECT_EQ(tamis({"optimize", kClassifier, "-o", old.string(), "--seconds", "0"}).status, 2);
  EXPECT_EQ(read_file(old / "graph.txt"), "broken");
  EXPECT_EQ(tamis({"optimize", kClassifier, "-o", old.string(), "--seconds", "0", "--force",
                   "--precision", "fp32"})
                .status,
            0);
  EXPECT_EQ(tamis({"inspect", old.string(), "--verify"}).status, 0);
  // A bundle is no checkpoint.
  EXPECT_EQ(tamis({"optimize", bundle(), "-o", folder / "again", "--seconds", "0"}).status, 5);
}

TEST(CliBundles, AreInspected) {
  for (const std::string& model : {kClassifier, bundle()}) {
    const Outcome outcome = tamis({"inspect", model, "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const JsonDocument document = JsonDocument::parse(outcome.out, "output");
    const JsonView root = document.root();
    EXPECT_EQ(root.get("family").as_string("family"), "bert");
    EXPECT_EQ(root.get("task").as_string("task"), "classify");
    EXPECT_EQ(root.get("precision").as_string("precision"), "fp32");
    EXPECT_GT(root.get("parameters").as_int("parameters"), 0);
    EXPECT_GT(root.get("bytes").as_int("bytes"), 0);
    EXPECT_TRUE(root.get("quantizers").is_array());
  }
  EXPECT_EQ(tamis({"inspect", bundle(), "--graph"}).out,
            read_file(fs::path(bundle()) / "graph.txt"));
  const Outcome cpu = tamis({"inspect", "--cpu", "--json"});
  const JsonDocument document = JsonDocument::parse(cpu.out, "output");
  EXPECT_GT(document.root().get("peak").get("fp32_gflops").as_double("peak"), 0);
}

TEST(CliBundles, AgreeWithTheirCheckpointInEval) {
  const TempFolder folder;
  const std::string data = folder.write("a.txt", "One.\nTwo.\nThree.\n");
  const Outcome outcome =
      tamis({"eval", bundle(), "--data", data, "--against", kClassifier, "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const JsonDocument document = JsonDocument::parse(outcome.out, "output");
  const JsonView against = document.root().get("against");
  EXPECT_EQ(against.get("flips").as_double("flips"), 0);
  EXPECT_NEAR(against.get("kl").as_double("kl"), 0, 1e-12);
}

}  // namespace
}  // namespace tamis::cli_test
