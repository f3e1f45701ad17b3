// What no dialect can use is refused in that dialect's own words, and the server goes on.
#include <gtest/gtest.h>

#include <filesystem>
#include <span>

#include "base/error.h"
#include "base/json.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

// Few, so that a request with more is short.
constexpr int64_t kMaxItems = 8;

class BadRequests : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.max_items = kMaxItems;
    const std::filesystem::path models = std::filesystem::path(TAMIS_TESTDATA) / "models";
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

  static TestAnswer post(std::string_view path, std::string_view body) {
    return TestClient(server_->http_port()).request("POST", path, body);
  }

  static std::unique_ptr<Server> server_;
};

std::unique_ptr<Server> BadRequests::server_;

// The message of an error in the shape of a dialect; fails the test if it has another.
std::string message_of(Dialect dialect, const TestAnswer& answer) {
  const JsonDocument document = JsonDocument::parse(answer.body, "error");
  const JsonView root = document.root();
  JsonView message;
  size_t members = 0;
  switch (dialect) {
    case Dialect::kTei:
    case Dialect::kHuggingFace:
      message = root.get("error");
      EXPECT_TRUE(root.get("error_type").is_string()) << answer.body;
      members = 2;
      break;
    case Dialect::kOpenAi:
      message = root.get("error").get("message");
      EXPECT_TRUE(root.get("error").get("type").is_string()) << answer.body;
      EXPECT_TRUE(root.get("error").get("param").exists()) << answer.body;
      EXPECT_TRUE(root.get("error").get("code").is_string()) << answer.body;
      members = 1;
      break;
    case Dialect::kVoyage:
      message = root.get("error").get("message");
      EXPECT_EQ(root.get("detail").as_string("detail"), message.as_string("message"));
      members = 2;
      break;
    case Dialect::kKserve:
    case Dialect::kOllama:
      message = root.get("error");
      members = 1;
      break;
    case Dialect::kCohere:
      message = root.get("message");
      EXPECT_EQ(root.get("detail").as_string("detail"), message.as_string("message"));
      members = 2;
      break;
    case Dialect::kNative:
      message = root.get("error").get("message");
      EXPECT_TRUE(root.get("error").get("code").is_string()) << answer.body;
      members = 1;
      break;
  }
  EXPECT_EQ(root.size(), members) << answer.body;
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  return message.is_string() ? std::string(message.as_string("message")) : "";
}

struct Target {
  const char* path;
  Dialect dialect;
  const char* good;  ///< a body that is answered
  const char* key;   ///< its list, which may have kMaxItems texts
};

constexpr Target kTargets[] = {
    {"/embed", Dialect::kTei, R"({"model":"emb","inputs":["a"]})", "inputs"},
    {"/rerank", Dialect::kTei, R"({"query":"a","texts":["a"]})", "texts"},
    {"/v1/embeddings", Dialect::kOpenAi, R"({"model":"emb","input":["a"]})", "input"},
    {"/models/emb", Dialect::kHuggingFace, R"({"inputs":["a"]})", "inputs"},
    {"/models/cls", Dialect::kHuggingFace, R"({"inputs":["a"]})", "inputs"},
    {"/models/ner", Dialect::kHuggingFace, R"({"inputs":["a"]})", "inputs"},
    {"/models/cls/pipeline/text-classification", Dialect::kHuggingFace, R"({"inputs":["a"]})",
     "inputs"},
    {"/v1/rerank", Dialect::kCohere, R"({"query":"a","documents":["a"]})", "documents"},
    {"/v2/rerank", Dialect::kCohere, R"({"query":"a","documents":["a"]})", "documents"},
    {"/v1/embed", Dialect::kCohere, R"({"model":"emb","texts":["a"]})", "texts"},
    {"/v2/embed", Dialect::kCohere, R"({"model":"emb","texts":["a"]})", "texts"},
    {"/v1/score", Dialect::kOpenAi, R"({"model":"rank","text_1":"a","text_2":["a"]})", "text_2"},
    {"/classify", Dialect::kOpenAi, R"({"model":"cls","input":["a"]})", "input"},
    {"/pooling", Dialect::kOpenAi, R"({"model":"emb","input":["a"]})", "input"},
    {"/infinity/embeddings", Dialect::kOpenAi, R"({"model":"emb","input":["a"]})", "input"},
    {"/infinity/rerank", Dialect::kOpenAi, R"({"query":"a","documents":["a"]})", "documents"},
    {"/infinity/classify", Dialect::kOpenAi, R"({"model":"cls","input":["a"]})", "input"},
    {"/api/embed", Dialect::kOllama, R"({"model":"emb","input":["a"]})", "input"},
    {"/v1/models/cls:predict", Dialect::kKserve, R"({"instances":["a"]})", "instances"},
    {"/models/emb/v1/embeddings", Dialect::kOpenAi, R"({"model":"x","input":["a"]})", "input"},
    {"/v1/classify", Dialect::kNative, R"({"model":"cls","input":["a"]})", "input"},
    {"/v1/ner", Dialect::kNative, R"({"model":"ner","input":["a"]})", "input"},
};

// The good body with another value under its key.
std::string with(const Target& target, const std::string& value) {
  const std::string good = target.good;
  const size_t at = good.find(R"(["a"])");
  return good.substr(0, at) + value + good.substr(at + 5);
}

std::string list_of(size_t count, const std::string& item) {
  std::string list = "[";
  for (size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + item;
  return list + "]";
}

TEST_F(BadRequests, GoodOnesAreAnswered) {
  for (const Target& target : kTargets) {
    EXPECT_EQ(post(target.path, target.good).status, 200) << target.path;
    const std::string most = with(target, list_of(kMaxItems, R"("a")"));
    EXPECT_EQ(post(target.path, most).status, 200) << target.path;
  }
}

// Members of the wrong kind or size: the message names the member.
TEST_F(BadRequests, WrongMembersAreNamed) {
  const std::string wrong[] = {"7",    "true",   "{}",
                               "[{}]", "[true]", "[]",
                               "null", "[null]", list_of(kMaxItems + 1, R"("a")")};
  for (const Target& target : kTargets) {
    for (const std::string& value : wrong) {
      SCOPED_TRACE(cat(target.path, " ", value));
      const TestAnswer answer = post(target.path, with(target, value));
      const bool empty = value == "[]";
      const int refused = target.dialect == Dialect::kTei && !empty ? 422 : 400;
      EXPECT_EQ(answer.status, refused) << answer.body;
      const std::string message = message_of(target.dialect, answer);
      // [{}] may be read as an object that lacks its own members.
      if (value == "[{}]" || value == "{}") continue;
      EXPECT_NE(message.find(cat("`", target.key, "`")), message.npos) << message;
    }
  }
}

TEST_F(BadRequests, BytesThatAreNoRequest) {
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  const std::pair<const char*, std::string> bodies[] = {
      {"nothing", ""},
      {"half", R"({"input":["a")"},
      {"text", "hello"},
      {"a list", "[]"},
      {"a number", "7"},
      {"not finite", R"({"inputs":NaN})"},
      {"infinite", R"({"inputs":[1e999]})"},
      {"a NUL", std::string("{\"a\":\"\0\"}", 9)},
      {"a lone surrogate", R"({"inputs":"\ud800"})"},
      {"not UTF-8", "{\"inputs\":\"\xC3\x28\"}"},
      {"overlong UTF-8", "{\"inputs\":\"\xC0\xAF\"}"},
      {"deep", cat(R"({"inputs":)", deep, "}")},
      {"two after another", R"({"inputs":"a"}{"inputs":"b"})"},
  };
  for (const Target& target : kTargets) {
    for (const auto& [name, body] : bodies) {
      SCOPED_TRACE(cat(target.path, " ", name));
      const TestAnswer answer = post(target.path, body);
      EXPECT_TRUE(answer.status == 400 || answer.status == 422) << answer.status << answer.body;
      EXPECT_FALSE(message_of(target.dialect, answer).empty());
    }
    std::string twice = target.good;
    twice.insert(1, cat("\"", target.key, "\":\"b\","));
    const TestAnswer answer = post(target.path, twice);
    EXPECT_EQ(answer.status, 400) << target.path;
    EXPECT_NE(message_of(target.dialect, answer).find(target.key), std::string::npos);
  }
}

struct Refused {
  const char* path;
  Dialect dialect;
  const char* body;
  int status;
  const char* says;
};

constexpr Refused kRefused[] = {
    {"/embed", Dialect::kTei, R"({"model":"x","inputs":"a"})", 404, "loaded are cls, emb"},
    {"/embed", Dialect::kTei, R"({"model":"cls","inputs":"a"})", 424, "cannot embed"},
    {"/v1/embeddings", Dialect::kOpenAi, R"({"model":"x","input":"a"})", 404, "not loaded"},
    {"/v1/embeddings", Dialect::kOpenAi, R"({"model":"qa","input":"a"})", 400, "cannot embed"},
    {"/models/x/y", Dialect::kHuggingFace, R"({"inputs":"a"})", 404, "\"x/y\" is not loaded"},
    {"/", Dialect::kHuggingFace, R"({"inputs":"a"})", 400, "several models"},
    {"/pipeline/x/emb", Dialect::kHuggingFace, R"({"inputs":"a"})", 404, "no pipeline \"x\""},
    {"/models/cls", Dialect::kHuggingFace,
     R"({"inputs":"a","parameters":{"candidate_labels":["b"]}})", 400, "entail"},
    {"/models/emb", Dialect::kHuggingFace, R"({"inputs":"a","parameters":[]})", 400,
     "`parameters` must be an object"},
    {"/models/qa", Dialect::kHuggingFace, R"({"inputs":{"question":"a"}})", 400, "`context`"},
    {"/models/mlm", Dialect::kHuggingFace, R"({"inputs":"no mask"})", 400, "mask"},
    {"/v1/rerank", Dialect::kCohere, R"({"model":"x","query":"a","documents":["b"]})", 404,
     "not loaded"},
    {"/v2/rerank", Dialect::kCohere, R"({"model":"cls","query":"a","documents":["b"]})", 400,
     "one label"},
    {"/v1/rerank", Dialect::kCohere, R"({"documents":["b"]})", 400, "`query` is missing"},
    {"/rerank", Dialect::kCohere, R"({"documents":["b"]})", 400, "`query` is missing"},
    {"/v2/rerank", Dialect::kCohere,
     R"({"model":"rank","query":"a","documents":[{"t":"b"}],"rank_fields":["t","t"]})", 400,
     "`rank_fields` has \"t\" twice"},
    {"/v1/ner", Dialect::kNative, R"({"model":"emb","input":"a"})", 400, "cannot ner"},
    {"/v1/ner", Dialect::kNative, R"({"input":"a","aggregation_strategy":"best"})", 400,
     "`aggregation_strategy` must be"},
    {"/v1/qa", Dialect::kNative, R"({"question":"a"})", 400, "`context` is missing"},
    {"/v1/qa", Dialect::kNative, R"({"question":"a","context":"b","top_k":0})", 400, "`top_k`"},
    {"/v1/classify", Dialect::kNative, R"({"model":"cls","input":"a","truncation":"some"})", 400,
     "`truncation` must be"},
};

constexpr Refused kRefusedByOtherDialects[] = {
    {"/v2/embed", Dialect::kCohere, R"({"model":"cls","texts":["a"]})", 400, "cannot embed"},
    {"/v2/embed", Dialect::kCohere, R"({"model":"emb"})", 400, "`texts` is missing"},
    {"/v2/embed", Dialect::kCohere,
     R"({"model":"emb","inputs":[{"content":[{"type":"image_url"}]}]})", 400, "image_url"},
    {"/v2/embed", Dialect::kCohere, R"({"model":"emb","texts":["a"],"images":["b"]})", 400,
     "`images`"},
    {"/v2/embed", Dialect::kCohere, R"({"model":"emb","texts":["a"],"embedding_types":["int4"]})",
     400, "`embedding_types` must be a list of float, int8, uint8, binary, ubinary or base64"},
    {"/v1/embed", Dialect::kCohere,
     R"({"model":"emb","texts":["a"],"embedding_types":["int8","int8"]})", 400, "twice"},
    {"/v1/tokenize", Dialect::kCohere, R"({"model":"emb"})", 400, "`text` is missing"},
    {"/v1/detokenize", Dialect::kCohere, R"({"model":"emb","tokens":"a"})", 400, "`tokens`"},
    {"/v1/score", Dialect::kOpenAi, R"({"model":"rank","text_1":["a","b"],"text_2":["a","b","c"]})",
     400, "as many"},
    {"/score", Dialect::kOpenAi, R"({"model":"ner","text_1":"a","text_2":"b"})", 400,
     "cannot rerank"},
    {"/score", Dialect::kOpenAi, R"({"model":"rank","text_1":"a"})", 400, "`text_2`"},
    {"/pooling", Dialect::kOpenAi, R"({"model":"cls","input":[2,3]})", 400, "token ids"},
    {"/pooling", Dialect::kOpenAi, R"({"model":"emb","input":"a","task":"score"})", 400, "`task`"},
    {"/tokenize", Dialect::kOpenAi, R"({"model":"emb","prompt":7})", 400, "`prompt`"},
    {"/api/embed", Dialect::kOllama, R"({"model":"x","input":"a"})", 404, "not loaded"},
    {"/api/embeddings", Dialect::kOllama, R"({"model":"emb"})", 400, "`prompt` is missing"},
    {"/v1/models/x:predict", Dialect::kKserve, R"({"instances":["a"]})", 404, "not loaded"},
    {"/v1/models/qa:predict", Dialect::kKserve, R"({"instances":["a"]})", 400, "question"},
    {"/models/x/embed", Dialect::kTei, R"({"inputs":"a"})", 404, "not loaded"},
};

TEST_F(BadRequests, ModelsThatAreNotThereOrCannot) {
  for (const std::span<const Refused> rows :
       {std::span<const Refused>(kRefused), {kRefusedByOtherDialects}}) {
    for (const Refused& row : rows) {
      SCOPED_TRACE(cat(row.path, " ", row.body));
      const TestAnswer answer = post(row.path, row.body);
      EXPECT_EQ(answer.status, row.status) << answer.body;
      const std::string message = message_of(row.dialect, answer);
      EXPECT_NE(message.find(row.says), message.npos) << message;
    }
  }
}

TEST_F(BadRequests, OpenAiNamesTheMember) {
  const TestAnswer answer = post("/v1/embeddings", R"({"model":"emb","input":"a","dimensions":0})");
  EXPECT_EQ(answer.status, 400);
  const JsonDocument document = JsonDocument::parse(answer.body, "error");
  EXPECT_EQ(document.root().get("error").get("param").as_string("param"), "dimensions");
}

TEST_F(BadRequests, PathsAndMethodsThatAreNot) {
  struct Row {
    const char* method;
    const char* path;
    Dialect dialect;
    int status;
  };
  const Row rows[] = {
      {"GET", "/v1/embeddings", Dialect::kOpenAi, 405},
      {"GET", "/v1/x", Dialect::kOpenAi, 404},
      {"GET", "/v2/rerank", Dialect::kCohere, 405},
      {"GET", "/v2/x", Dialect::kKserve, 404},
      {"GET", "/models/emb", Dialect::kHuggingFace, 405},
      {"GET", "/x", Dialect::kTei, 404},
      {"DELETE", "/v1/ner", Dialect::kNative, 405},
      {"GET", "/api/x", Dialect::kOllama, 404},
      {"GET", "/api/embed", Dialect::kOllama, 405},
      {"GET", "/v2/embed", Dialect::kCohere, 405},
      {"GET", "/models/emb/v1/score", Dialect::kOpenAi, 405},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(cat(row.method, " ", row.path));
    const TestAnswer answer = TestClient(server_->http_port()).request(row.method, row.path);
    EXPECT_EQ(answer.status, row.status);
    EXPECT_FALSE(message_of(row.dialect, answer).empty());
  }
}

}  // namespace
}  // namespace tamis::serve
