// Memory that fails at any place of a request: it alone is answered with 503, or its connection
// closed, and the server lives on.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "serve/server.h"
#include "serve/test_client.h"
#include "tests/server/failing_new.h"

namespace tamis::serve {
namespace {

struct Asked {
  const char* method;
  const char* path;
  const char* body;
  const char* headers = "";
};

const Asked kAsked[] = {
    {"POST", "/embed", R"({"inputs":["a cat","b"]})"},
    {"POST", "/embed_all", R"({"inputs":"a cat","model":"emb"})"},
    {"POST", "/v1/embeddings", R"({"model":"emb","input":["a","b"],"encoding_format":"base64"})"},
    {"POST", "/v1/embeddings", R"({"model":"emb","input":[[5,6]]})"},
    {"POST", "/tokenize", R"({"inputs":"a cat","model":"emb"})"},
    {"POST", "/decode", R"({"ids":[5,6],"model":"emb"})"},
    {"POST", "/similarity",
     R"({"inputs":{"source_sentence":"a","sentences":["b"]},"model":"emb"})"},
    {"POST", "/predict", R"({"inputs":[["a"],["a","b"]],"model":"cls"})"},
    {"POST", "/rerank", R"({"query":"a","texts":["b","c"],"model":"rank"})"},
    {"POST", "/v2/rerank", R"({"query":"a","documents":["b","c"],"model":"rank"})"},
    {"POST", "/models/cls", R"({"inputs":"a","parameters":{"top_k":1}})"},
    {"POST", "/v1/classify", R"({"input":"a","model":"cls"})"},
    {"POST", "/v1/ner", R"({"input":"Ada lived in London.","model":"ner"})"},
    {"POST", "/v1/qa", R"({"question":"Who?","context":"Ada lived.","model":"qa"})"},
    {"POST", "/v2/models/emb/infer",
     R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["x"]}]})"},
    {"POST", "/v2/models/emb_model/infer",
     R"({"inputs":[{"name":"input_ids","shape":[1,2],"datatype":"INT64","data":[5,6]}]})"},
    {"POST", "/v2/embed", R"({"texts":["a cat"],"embedding_types":["int8","base64"]})"},
    {"POST", "/v1/tokenize", R"({"text":"a cat","model":"emb"})"},
    {"POST", "/v1/score", R"({"text_1":"a","text_2":["b","c"]})"},
    {"POST", "/classify", R"({"input":"a","model":"cls"})"},
    {"POST", "/pooling", R"({"input":"a","model":"emb","task":"token_embed"})"},
    {"POST", "/models/rank/infinity/rerank", R"({"query":"a","documents":["b","c"]})"},
    {"POST", "/api/embed", R"({"input":["a cat"]})"},
    {"GET", "/api/tags", ""},
    {"POST", "/v1/models/cls:predict", R"({"instances":["a"]})"},
    {"GET", "/v2/models/emb", "", "Accept-Encoding: gzip\r\n"},
    {"GET", "/v2/models/stats", ""},
    {"GET", "/v1/models", ""},
    {"GET", "/info", ""},
    {"GET", "/metrics", ""},
    {"GET", "/health", ""},
    {"GET", "/openapi.json", ""},
    {"POST", "/v2/repository/index", ""},
    {"OPTIONS", "/embed", ""},
    {"POST", "/nothing", "{}"},
};

class AllocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    failing_new::exempt_this_thread();
    const std::string folder = TAMIS_TESTDATA "/models/";
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.tokenizer_threads = 1;
    options.models = {{"emb", folder + "bert-base"},
                      {"cls", folder + "bert-sequence-classification"},
                      {"rank", folder + "bert-rerank"},
                      {"ner", folder + "bert-token-classification"},
                      {"qa", folder + "bert-question-answering"}};
    server_ = std::make_unique<Server>(options);
    server_->load();
  }
  void TearDown() override { server_.reset(); }

  TestAnswer ask(const Asked& asked) {
    TestClient client(server_->http_port());
    return client.request(asked.method, asked.path, asked.body, asked.headers);
  }

  // Fails the Nth allocation; false: there was no Nth.
  bool attempt(const Asked& asked, int64_t n, bool all, int usual) {
    TestClient client(server_->http_port());
    // With no memory at all a connection is not taken, and waits until there is some.
    if (all) {
      EXPECT_NE(client.request("GET", "/v2/health/live").status, 0);
    }
    const auto started = std::chrono::steady_clock::now();
    failing_new::arm(n, failing_new::Of::kAll, all);
    const TestAnswer answer = client.request(asked.method, asked.path, asked.body, asked.headers);
    failing_new::disarm();
    const bool failed = failing_new::failed() > 0;
    const auto took = std::chrono::steady_clock::now() - started;
    EXPECT_LT(took, std::chrono::seconds(15)) << asked.path << " hangs at allocation " << n;
    const bool fine = answer.status == usual || answer.status == 503 || answer.status == 0;
    EXPECT_TRUE(fine) << asked.path << " at allocation " << n << ": " << answer.status << " "
                      << answer.body;
    return failed;
  }

  // Every allocation of the request (where all behind it fail too, some: a connection that is
  // closed for that takes a tenth of a second), and then a request of its like and the usual
  // answer.
  void fail_each(const Asked& asked, bool all) {
    const int64_t step = all ? 11 : 1;
    const TestAnswer usual = ask(asked);
    ASSERT_NE(usual.status, 0) << asked.path;
    ASSERT_LT(usual.status, 500) << asked.path << usual.body;
    constexpr int64_t kMost = 5000;
    // One without a failure may be luck of the threads' order.
    int quiet = 0;
    int64_t n = 0;
    for (; quiet < 3 && n < kMost && !HasFailure(); n += step) {
      quiet = attempt(asked, n, all, usual.status) ? 0 : quiet + 1;
      EXPECT_EQ(ask(asked).status, usual.status) << asked.path << " after allocation " << n;
    }
    EXPECT_LT(n, kMost) << asked.path;
    EXPECT_GT(n, 5) << asked.path;
  }

  std::unique_ptr<Server> server_;
};

TEST_F(AllocationTest, OneThatFailsEndsOneRequest) {
  for (const Asked& asked : kAsked) {
    fail_each(asked, false);
    if (HasFailure()) return;
  }
  while (server_->core().in_flight() != 0) std::this_thread::yield();
}

TEST_F(AllocationTest, AllThatFailEndOneRequest) {
  for (const Asked& asked : kAsked) {
    const std::string_view path = asked.path;
    if (path != "/embed" && path != "/tokenize" && path != "/v2/models/emb/infer") continue;
    fail_each(asked, true);
    if (HasFailure()) return;
  }
  while (server_->core().in_flight() != 0) std::this_thread::yield();
}

}  // namespace
}  // namespace tamis::serve
