// Sparse weights and MaxSim over the server's sockets, as text-embeddings-inference answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

class Retrieval : public ::testing::Test {
 protected:
  void serve(std::vector<ModelArgument> models, std::map<std::string, tasks::TaskKind> tasks = {}) {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.models = std::move(models);
    options.tasks = std::move(tasks);
    server_ = std::make_unique<Server>(options);
    server_->load();
  }
  TestAnswer post(std::string_view path, const std::string& body) const {
    return TestClient(server_->http_port()).request("POST", path, body);
  }

  std::unique_ptr<Server> server_;
};

const std::string kRoot = TAMIS_TESTDATA "/retrieval/";

TEST_F(Retrieval, SparseWeightsByRisingIndex) {
  serve({{"splade", kRoot + "splade-router"}});
  const TestAnswer answer = post("/embed_sparse", R"({"inputs":["A lighthouse.","Rain."]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const JsonDocument document = JsonDocument::parse(answer.body, "answer");
  ASSERT_EQ(document.root().size(), 2u);
  const JsonView row = document.root().at(0);
  ASSERT_GT(row.size(), 1u);
  int64_t last = -1;
  for (size_t i = 0; i < row.size(); ++i) {
    const int64_t index = row.at(i).get("index").as_int("index");
    EXPECT_GT(index, last);
    last = index;
    EXPECT_GT(row.at(i).get("value").as_double("value"), 0);
  }
  // Queries take weights that need no run.
  const TestAnswer query = post("/embed_sparse", R"({"inputs":["A lighthouse."],"query":true})");
  EXPECT_EQ(query.status, 200) << query.body;
  EXPECT_NE(query.body, answer.body);
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":[[5,6]],"query":true})").status, 422);
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":[[5,6]]})").status, 200);
  EXPECT_EQ(post("/embed", R"({"inputs":"A lighthouse."})").status, 424);
}

// A text without tokens stands between others, and one of many tokens is not cut.
TEST_F(Retrieval, StaticEmbeddingsOfEmptyAndOfLongTexts) {
  serve({{"static", std::string(TAMIS_TESTDATA "/static/today")}});
  const TestAnswer answer = post("/embed", R"({"inputs":["","A lighthouse.",""]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const JsonDocument document = JsonDocument::parse(answer.body, "answer");
  ASSERT_EQ(document.root().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(document.root().at(i).at(0).as_double("component") == 0, i != 1) << i;
  }
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "the ";
  const TestAnswer whole = post("/v1/embeddings", cat(R"({"input":")", words, "\"}"));
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_NE(whole.body.find("\"prompt_tokens\":5000"), std::string::npos)
      << whole.body.substr(0, 400);
}

// The embeddings that the library gives a Router's sides are those of every dialect.
TEST_F(Retrieval, ARouterReadsQueriesByItsTable) {
  serve({{"router", std::string(TAMIS_TESTDATA "/static/router")}});
  const auto vector = [&](std::string_view path, const std::string& body) {
    const TestAnswer answer = post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    const size_t begin = std::min(answer.body.find("[-"), answer.body.find("[0.")) + 1;
    return answer.body.substr(begin, answer.body.find(']', begin) - begin);
  };
  const std::string query = vector("/embed", R"({"inputs":"A lighthouse.","prompt_name":"query"})");
  const std::string document = vector("/embed", R"({"inputs":"A lighthouse."})");
  EXPECT_NE(query, document);
  EXPECT_EQ(vector("/embed", R"({"inputs":"A lighthouse.","prompt_name":"document"})"), document);
  EXPECT_EQ(vector("/v1/embeddings", R"({"input":"A lighthouse.","input_type":"query"})"), query);
  EXPECT_EQ(vector("/v1/embeddings", R"({"input":"A lighthouse."})"), document);
  EXPECT_EQ(vector("/v1/embed", R"({"texts":["A lighthouse."],"input_type":"search_query"})"),
            query);
  // Each text of a batch by itself, and what no table has.
  const TestAnswer both =
      post("/embed", R"({"inputs":["A lighthouse.","Rain."],"prompt_name":"query"})");
  EXPECT_NE(both.body.find(query), std::string::npos) << both.body;
  EXPECT_EQ(post("/embed", R"({"inputs":[[5,6]],"prompt_name":"query"})").status, 422);
  EXPECT_EQ(post("/embed", R"({"inputs":[[5,6]]})").status, 200);
  EXPECT_EQ(post("/embed_all", R"({"inputs":"A lighthouse."})").status, 200);
  const TestAnswer tokens =
      post("/embed_all", R"({"inputs":"A lighthouse.","prompt_name":"query"})");
  EXPECT_NE(tokens.status, 200);
  EXPECT_NE(tokens.body.find("the model reads this text by a table alone"), std::string::npos)
      << tokens.body;
}

TEST_F(Retrieval, WeightsOfTokensWithoutAModel) {
  serve({{"words", kRoot + "sparse-static"}});
  const TestAnswer answer = post("/embed_sparse", R"({"inputs":["A lighthouse.","Rain."]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":["A lighthouse.","Rain."],"query":true})").body,
            answer.body);
  // Ids have the weights of their words, whatever the sign, and special ones too.
  const TestAnswer ids = post("/embed_sparse", R"({"inputs":[[2,5,6,8,9,10,11]]})");
  EXPECT_EQ(ids.status, 200) << ids.body;
  EXPECT_NE(ids.body.find("\"value\":-0."), std::string::npos) << ids.body;
  EXPECT_NE(ids.body.find("\"index\":2,"), std::string::npos) << ids.body;
  EXPECT_EQ(post("/embed", R"({"inputs":"A lighthouse."})").status, 424);
}

TEST_F(Retrieval, RanksByMaxSim) {
  serve({{"colbert", kRoot + "colbert"}});
  const TestAnswer answer =
      post("/rerank", R"({"query":"where?","texts":["A lighthouse.","Rain."]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(JsonDocument::parse(answer.body, "answer").root().size(), 2u);
  EXPECT_EQ(post("/v1/rerank", R"({"query":"where?","documents":["A lighthouse."]})").status, 200);
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":"A lighthouse."})").status, 424);
  const TestAnswer info = TestClient(server_->http_port()).request("GET", "/info", "");
  EXPECT_NE(info.body.find(R"("embedding":{"pooling":"none"})"), std::string::npos) << info.body;
  // KServe's text model answers with the command line's JSON.
  const TestAnswer infer =
      post("/v2/models/colbert/infer",
           R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["Rain."]}]})");
  EXPECT_EQ(infer.status, 200) << infer.body;
  EXPECT_NE(infer.body.find("token_ids"), std::string::npos) << infer.body;
}

TEST_F(Retrieval, OneModelOfAllWaysToEmbedAnswersEach) {
  serve({{"m3", kRoot + "bge-m3"}}, {{"m3", tasks::TaskKind::kEmbedAll}});
  EXPECT_EQ(post("/embed", R"({"inputs":"A lighthouse."})").status, 200);
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":"A lighthouse."})").status, 200);
  EXPECT_EQ(post("/rerank", R"({"query":"where?","texts":["Rain."]})").status, 200);
  EXPECT_EQ(post("/v1/embeddings", R"({"input":"A lighthouse."})").status, 200);
}

}  // namespace
}  // namespace tamis::serve
