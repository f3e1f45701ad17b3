// An answer that is not finite is an error in every dialect, and the error of nobody else.
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "engine/precision.h"
#include "serve/server.h"
#include "serve/test_client.h"
#include "tests/cli/tamis_program.h"
#include "tests/support/overflowing_model.h"

namespace tamis::serve {
namespace {

struct Ask {
  const char* path;
  const char* bad;
};

const Ask kEmbeds[] = {
    {"/v1/embeddings", R"({"input":"d"})"},
    {"/v1/embeddings", R"({"input":["a","d"]})"},
    {"/v1/embeddings", R"({"input":"d","encoding_format":"base64"})"},
    {"/v1/embeddings", R"({"input":"d","dimensions":2})"},
    {"/embed", R"({"inputs":"d"})"},
    {"/embed", R"({"inputs":"d","normalize":false})"},
    {"/embed_all", R"({"inputs":["a","b d"]})"},
    {"/similarity", R"({"inputs":{"source_sentence":"a","sentences":["b","d"]}})"},
    {"/v2/models/m/infer",
     R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["d"]}]})"},
    {"/", R"({"inputs":"d"})"},
};

class NotFinite : public testing::Test {
 protected:
  std::string overflowing(const std::string& name) {
    const std::string model = folder_.copy("models/" + name).string();
    test::make_overflowing(model, "d");
    return model;
  }

  static ServerOptions options_of(const std::string& model) {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.models = {{"m", model}};
    return options;
  }

  static void expect_refused(const TestAnswer& answer, const std::string& what) {
    EXPECT_GE(answer.status, 400) << what;
    EXPECT_NE(answer.body.find("is not finite"), std::string::npos) << what << answer.body;
  }

  cli_test::TempFolder folder_;
};

TEST_F(NotFinite, IsAnErrorOfEveryDialect) {
  Server server(options_of(overflowing("bert-base")));
  server.load();
  for (const Ask& ask : kEmbeds) {
    SCOPED_TRACE(cat(ask.path, " ", ask.bad));
    expect_refused(TestClient(server.http_port()).request("POST", ask.path, ask.bad), "bad");
    std::string good = ask.bad;
    good.replace(good.find("d\""), 1, "c");
    const TestAnswer answer = TestClient(server.http_port()).request("POST", ask.path, good);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body.find("null"), std::string::npos) << answer.body;
  }
  const TestAnswer second =
      TestClient(server.http_port()).request("POST", "/v1/embeddings", R"({"input":["a","d"]})");
  EXPECT_NE(second.body.find("input 1, counted from 0"), std::string::npos) << second.body;
}

TEST_F(NotFinite, IsAnErrorOfTensorsToo) {
  const std::string vocab = "\n" + read_file(cli_test::testdata("models/bert-base/vocab.txt"));
  const auto id = std::count(
      vocab.begin(), vocab.begin() + static_cast<std::ptrdiff_t>(vocab.find("\nd\n")), '\n');
  Server server(options_of(overflowing("bert-base")));
  server.load();
  const std::string body =
      cat(R"({"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64",)", R"("data":[2,)",
          id, R"(,3]}]})");
  expect_refused(TestClient(server.http_port()).request("POST", "/v2/models/m_model/infer", body),
                 "ids");
}

struct TaskAsk {
  const char* model;
  const char* path;
  const char* bad;
};

TEST_F(NotFinite, IsAnErrorOfEveryTask) {
  const TaskAsk rows[] = {
      {"bert-sequence-classification", "/predict", R"({"inputs":"d"})"},
      {"bert-sequence-classification", "/v1/classify", R"({"input":"d"})"},
      {"bert-rerank", "/rerank", R"({"query":"a","texts":["b","d"]})"},
      {"bert-rerank", "/v1/rerank", R"({"query":"a","documents":["b","d"]})"},
      {"bert-token-classification", "/v1/ner", R"({"input":"a d"})"},
      {"bert-question-answering", "/v1/qa", R"({"question":"a","context":"d b"})"},
  };
  for (const TaskAsk& row : rows) {
    SCOPED_TRACE(cat(row.model, " ", row.path));
    Server server(options_of(overflowing(row.model)));
    server.load();
    expect_refused(TestClient(server.http_port()).request("POST", row.path, row.bad), "bad");
  }
}

// Requests of one batch: the rows beside the bad one are answered with the bits they always have.
TEST_F(NotFinite, FailsNobodyElseInTheBatch) {
  for (const char* precision : {"fp32", "bf16", "int8"}) {
    SCOPED_TRACE(precision);
    ServerOptions options = options_of(overflowing("bert-base"));
    options.model.precision = engine::precision_from_name(precision);
    std::vector<std::string> alone;
    const std::string texts[] = {"a b c", "d", "The quick fox jumps.", "b d a", "c", "a"};
    const auto body = [](const std::string& text) {
      return cat("{\"inputs\":", json_quote(text), "}");
    };
    {
      Server server(options);
      server.load();
      for (const std::string& text : texts) {
        alone.push_back(TestClient(server.http_port()).request("POST", "/embed", body(text)).body);
      }
    }
    options.hold_queue = std::size(texts);
    Server server(options);
    server.load();
    std::vector<TestAnswer> together(std::size(texts));
    std::vector<std::thread> clients;
    for (size_t i = 0; i < std::size(texts); ++i) {
      clients.emplace_back([&, i] {
        together[i] = TestClient(server.http_port()).request("POST", "/embed", body(texts[i]));
      });
    }
    for (std::thread& client : clients) client.join();
    for (size_t i = 0; i < std::size(texts); ++i) {
      const bool bad = texts[i].find('d') != std::string::npos;
      EXPECT_EQ(together[i].status >= 400, bad) << texts[i];
      EXPECT_EQ(together[i].body, alone[i]) << texts[i];
    }
  }
}

}  // namespace
}  // namespace tamis::serve
