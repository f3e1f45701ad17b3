// The server's answers are the command line's, bit for bit: numbers print so that equal digits are
// equal bits.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "serve/server.h"
#include "serve/test_client.h"
#include "tests/cli/tamis_program.h"

namespace tamis::serve {
namespace {

const std::vector<std::string> kTexts = {
    "Anna lives in Berlin.", "", "a", "Zo\u00eb \U0001F600 paid 3.50 in \u6771\u4EAC",
    "The quick brown fox jumps over the lazy dog and runs on until nobody can see it any more."};

std::string json_of(const std::vector<std::string>& texts) {
  JsonWriter json;
  json.begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
  return json.take();
}

// Asks one server with one model.
std::string ask(const std::string& model, const std::string& path, const std::string& body) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  options.models = {{"m", model}};
  Server server(options);
  server.load();
  const TestAnswer answer = TestClient(server.http_port()).request("POST", path, body);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return answer.body;
}

// A line of the command's output for each text.
std::vector<std::string> run(std::vector<std::string> arguments) {
  const cli_test::Outcome outcome = cli_test::tamis(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return cli_test::lines(outcome.out);
}

std::string text_of(JsonView view) {
  JsonWriter json;
  json.value(view);
  return json.take();
}

// The members of `expected`, in its order, as they stand in `found`.
std::string same_members(JsonView expected, JsonView found) {
  JsonWriter json;
  json.begin_object();
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string_view key = expected.member(i).key;
    json.key(key).value(found.get(key));
  }
  json.end_object();
  return json.take();
}

std::vector<std::string> arguments_of(const std::string& command, const std::string& model) {
  std::vector<std::string> arguments = {command, model};
  arguments.insert(arguments.end(), kTexts.begin(), kTexts.end());
  return arguments;
}

TEST(SameAsCli, Embed) {
  const std::string model = cli_test::testdata("models/bert-base");
  const auto lines = run(arguments_of("embed", model));
  const JsonDocument got =
      JsonDocument::parse(ask(model, "/", cat("{\"inputs\":", json_of(kTexts), "}")), "answer");
  ASSERT_EQ(lines.size(), kTexts.size());
  ASSERT_EQ(got.root().size(), kTexts.size());
  for (size_t i = 0; i < kTexts.size(); ++i) {
    const JsonDocument line = JsonDocument::parse(lines[i], "line");
    EXPECT_EQ(text_of(got.root().at(i)), text_of(line.root().get("embedding"))) << kTexts[i];
  }
}

TEST(SameAsCli, Classify) {
  const std::string model = cli_test::testdata("models/bert-sequence-classification");
  const auto lines = run(arguments_of("classify", model));
  const JsonDocument got = JsonDocument::parse(
      ask(model, "/v1/classify", cat("{\"input\":", json_of(kTexts), "}")), "answer");
  const JsonView results = got.root().get("results");
  ASSERT_EQ(lines.size(), results.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const JsonDocument line = JsonDocument::parse(lines[i], "line");
    EXPECT_EQ(text_of(results.at(i).get("logits")), text_of(line.root().get("logits")));
    const JsonView best = results.at(i).get("labels").at(0);
    EXPECT_EQ(text_of(best.get("label")), text_of(line.root().get("label")));
    EXPECT_EQ(text_of(best.get("score")), text_of(line.root().get("score")));
  }
}

TEST(SameAsCli, Entities) {
  const std::string model = cli_test::testdata("models/bert-token-classification");
  const auto lines = run(arguments_of("ner", model));
  const JsonDocument got = JsonDocument::parse(
      ask(model, "/v1/ner", cat("{\"input\":", json_of(kTexts), "}")), "answer");
  const JsonView results = got.root().get("results");
  ASSERT_EQ(lines.size(), results.size());
  size_t entities = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const JsonDocument line = JsonDocument::parse(lines[i], "line");
    const JsonView expected = line.root().get("entities");
    const JsonView found = results.at(i).get("entities");
    ASSERT_EQ(found.size(), expected.size()) << kTexts[i];
    for (size_t e = 0; e < expected.size(); ++e, ++entities) {
      EXPECT_EQ(same_members(expected.at(e), found.at(e)), text_of(expected.at(e)));
    }
  }
  EXPECT_GT(entities, 0U);
}

TEST(SameAsCli, Answers) {
  const std::string model = cli_test::testdata("models/bert-question-answering");
  const auto lines = run({"qa", model, "--question", "who?", "--context", kTexts[0]});
  JsonWriter body;
  body.begin_object().member("question", "who?").member("context", kTexts[0]).end_object();
  const JsonDocument got = JsonDocument::parse(ask(model, "/v1/qa", body.take()), "answer");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(text_of(got.root().get("results").at(0).get("answers").at(0)), lines[0]);
}

TEST(SameAsCli, Rerank) {
  const std::string model = cli_test::testdata("models/bert-rerank");
  std::vector<std::string> arguments = {"rerank", model, "--query", "who?"};
  arguments.insert(arguments.end(), kTexts.begin(), kTexts.end());
  const auto lines = run(arguments);
  JsonWriter body;
  body.begin_object().member("query", "who?").key("documents").begin_array();
  for (const std::string& text : kTexts) body.value(text);
  body.end_array().end_object();
  const JsonDocument got = JsonDocument::parse(ask(model, "/v1/rerank", body.take()), "answer");
  ASSERT_EQ(lines.size(), 1U);
  const JsonDocument line = JsonDocument::parse(lines[0], "line");
  const JsonView expected = line.root().get("results");
  const JsonView found = got.root().get("results");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(text_of(found.at(i).get("index")), text_of(expected.at(i).get("index")));
    EXPECT_EQ(text_of(found.at(i).get("relevance_score")), text_of(expected.at(i).get("score")));
  }
}

TEST(SameAsCli, FillMask) {
  const std::string model = cli_test::testdata("models/bert-masked-lm");
  const auto lines = run({"fill-mask", model, "hello [MASK]."});
  const JsonDocument got =
      JsonDocument::parse(ask(model, "/", R"({"inputs":"hello [MASK]."})"), "answer");
  ASSERT_EQ(lines.size(), 1U);
  const JsonDocument line = JsonDocument::parse(lines[0], "line");
  EXPECT_EQ(text_of(got.root()), text_of(line.root().get("masks").at(0)));
}

TEST(SameAsCli, ZeroShot) {
  // A classifier whose third label is what zero-shot looks for.
  const cli_test::TempFolder folder;
  const std::filesystem::path model = folder.copy("models/bert-sequence-classification");
  std::string config = read_file(model / "config.json");
  const std::string label = "\"positive\"";
  for (size_t at = 0; (at = config.find(label, at)) != config.npos;) {
    config.replace(at, label.size(), "\"entailment\"");
  }
  (void)folder.write("model/config.json", config);
  const auto lines =
      run({"zero-shot", model.string(), kTexts[0], "--label", "weather", "--label", "travel"});
  ASSERT_EQ(lines.size(), 1U);
  const JsonDocument line = JsonDocument::parse(lines[0], "line");
  JsonWriter body;
  body.begin_object().member("inputs", kTexts[0]).key("parameters").begin_object();
  body.member("candidate_labels", "weather, travel").end_object().end_object();
  const JsonDocument got = JsonDocument::parse(
      ask(model.string(), "/pipeline/zero-shot-classification/m", body.take()), "answer");
  ASSERT_EQ(got.root().size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const JsonView found = got.root().at(i);
    EXPECT_EQ(text_of(found.get("label")), text_of(line.root().get("labels").at(i)));
    EXPECT_EQ(text_of(found.get("score")), text_of(line.root().get("scores").at(i)));
  }
}

// A page for browsers, health for all others.
TEST(Page, IsForBrowsers) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  options.identity_model = "id";
  Server server(options);
  server.load();
  TestClient client(server.http_port());
  const TestAnswer page =
      client.request("GET", "/", "", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(page.header("Content-Security-Policy").find("default-src 'none'"), std::string::npos);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.body.ends_with("</html>\n"));
  // Nothing is loaded from elsewhere.
  EXPECT_EQ(page.body.find("src="), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  const TestAnswer health = client.request("GET", "/", "", "Accept: */*\r\n");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.body, "");
}

}  // namespace
}  // namespace tamis::serve
