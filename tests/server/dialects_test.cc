// Requests and answers of every dialect, from testdata/server/*.txt.
//
// A case: "### name", the request line, header lines, an empty line, the body's lines, "----
// STATUS", and the answer's JSON. Numbers are compared within kTolerance, "*" stands for any value.
// With TAMIS_RECORD=1 the answers are written anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

namespace fs = std::filesystem;

// Kernel sets sum in different orders: the tiny models' logits, of magnitude 10 at most, differ by
// some hundred roundings of float32, 100 * 2^-24 * 10 = 6e-5.
constexpr double kTolerance = 1e-4;

const fs::path kFolder = fs::path(TAMIS_TESTDATA) / "server";

struct Case {
  std::string name;
  std::string method;
  std::string path;
  std::string headers;
  std::string body;
  int status = 0;
  std::string answer;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::vector<Case> read_cases(const fs::path& file) {
  std::vector<Case> cases;
  enum class Part { kRequest, kHeaders, kBody, kAnswer } part = Part::kRequest;
  for (const std::string& line : lines_of(read_file(file))) {
    if (line.starts_with("### ")) {
      cases.emplace_back();
      cases.back().name = line.substr(4);
      part = Part::kRequest;
    } else if (line.starts_with("---- ")) {
      cases.back().status = std::atoi(line.c_str() + 5);
      part = Part::kAnswer;
    } else if (part == Part::kRequest) {
      const size_t space = line.find(' ');
      cases.back().method = line.substr(0, space);
      cases.back().path = line.substr(space + 1);
      part = Part::kHeaders;
    } else if (part == Part::kHeaders && !line.empty()) {
      cases.back().headers += line + "\r\n";
    } else if (part == Part::kHeaders) {
      part = Part::kBody;
    } else if (part == Part::kBody) {
      cases.back().body += line;
    } else {
      cases.back().answer += line;
    }
  }
  return cases;
}

void record(const fs::path& file, const std::vector<Case>& cases) {
  std::ofstream out(file);
  for (const Case& item : cases) {
    std::string headers = item.headers;
    headers.erase(std::remove(headers.begin(), headers.end(), '\r'), headers.end());
    out << "### " << item.name << "\n"
        << item.method << " " << item.path << "\n"
        << headers << "\n";
    if (!item.body.empty()) out << item.body << "\n";
    out << "---- " << item.status << "\n";
    if (!item.answer.empty()) out << item.answer << "\n";
  }
}

// Empty if they are alike, else where they are not.
std::string difference(JsonView expected, JsonView found, const std::string& at) {
  if (expected.is_string() && expected.as_string("") == "*") return "";
  if (expected.is_number() && found.is_number()) {
    const double gap = std::abs(expected.as_double("") - found.as_double(""));
    return gap <= kTolerance ? "" : cat(at, ": off by ", gap);
  }
  if (expected.kind() != found.kind()) return cat(at, ": another kind");
  if (expected.is_string() && expected.as_string("") != found.as_string("")) {
    return cat(at, ": ", found.as_string(""));
  }
  if (expected.is_bool() && expected.as_bool("") != found.as_bool("")) return at;
  if (expected.size() != found.size()) return cat(at, ": ", found.size(), " items");
  for (size_t i = 0; i < expected.size(); ++i) {
    std::string inner;
    if (expected.is_array()) {
      inner = difference(expected.at(i), found.at(i), cat(at, "[", i, "]"));
    } else {
      const JsonView::Member member = expected.member(i);
      if (found.member(i).key != member.key) return cat(at, ": key ", found.member(i).key);
      inner = difference(member.value, found.member(i).value, cat(at, ".", member.key));
    }
    if (!inner.empty()) return inner;
  }
  return "";
}

void expect_alike(const Case& item, const TestAnswer& answer) {
  EXPECT_EQ(answer.status, item.status) << answer.body;
  if (item.answer.empty() || answer.body.empty()) {
    EXPECT_EQ(answer.body, item.answer);
    return;
  }
  const JsonDocument expected = JsonDocument::parse(item.answer, "expected");
  const JsonDocument found = JsonDocument::parse(answer.body, "answer");
  EXPECT_EQ(difference(expected.root(), found.root(), "$"), "") << answer.body;
}

// One server with a model of every task.
class DialectsTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.identity_model = "id";
    options.model_control = ModelControl::kExplicit;
    const fs::path models = fs::path(TAMIS_TESTDATA) / "models";
    const std::pair<const char*, const char*> rows[] = {{"cls", "bert-sequence-classification"},
                                                        {"emb", "bert-base"},
                                                        {"mlm", "bert-masked-lm"},
                                                        {"ner", "bert-token-classification"},
                                                        {"qa", "bert-question-answering"},
                                                        {"rank", "bert-rerank"}};
    for (const auto& [name, folder] : rows) {
      options.models.push_back({name, (models / folder).string()});
    }
    server_ = std::make_unique<Server>(options);
    server_->load();
  }
  static void TearDownTestSuite() { server_.reset(); }

  static std::unique_ptr<Server> server_;
};

std::unique_ptr<Server> DialectsTest::server_;

TEST_P(DialectsTest, AnswersAsRecorded) {
  const fs::path file = kFolder / (GetParam() + ".txt");
  std::vector<Case> cases = read_cases(file);
  EXPECT_FALSE(cases.empty());
  const bool recording = std::getenv("TAMIS_RECORD") != nullptr;
  TestClient client(server_->http_port());
  for (Case& item : cases) {
    SCOPED_TRACE(item.name);
    const TestAnswer answer = client.request(item.method, item.path, item.body, item.headers);
    if (recording) {
      item.status = answer.status;
      item.answer = answer.body;
    } else {
      expect_alike(item, answer);
    }
  }
  if (recording) record(file, cases);
}

INSTANTIATE_TEST_SUITE_P(All, DialectsTest,
                         ::testing::Values("tei", "openai", "kserve", "pipeline", "rerank",
                                           "native", "routing", "cohere", "vllm", "infinity",
                                           "ollama", "kserve_v1"));

}  // namespace
}  // namespace tamis::serve
