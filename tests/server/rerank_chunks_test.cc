// Cohere's own members of a rerank request: chunks of long documents, priority.
#include <gtest/gtest.h>

#include <map>

#include "base/json.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

class RerankChunks : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.models = {{"rank", TAMIS_TESTDATA "/models/bert-rerank"}};
    server_ = std::make_unique<Server>(options);
    server_->load();
  }

  TestAnswer post(const std::vector<std::string>& documents, std::string_view more) {
    JsonWriter body;
    body.begin_object().member("query", "who?").key("documents").begin_array();
    for (const std::string& document : documents) body.value(document);
    body.end_array().end_object();
    std::string text = body.take();
    text.insert(text.size() - 1, more);
    return TestClient(server_->http_port()).request("POST", "/v2/rerank", text);
  }

  // Index to score, and the texts that came back.
  std::map<int64_t, double> scores(const std::vector<std::string>& documents,
                                   std::string_view more) {
    const TestAnswer answer = post(documents, more);
    EXPECT_EQ(answer.status, 200) << answer.body;
    const JsonDocument document = JsonDocument::parse(answer.body, "answer");
    const JsonView results = document.root().get("results");
    std::map<int64_t, double> found;
    double last = 1;
    for (size_t i = 0; i < results.size(); ++i) {
      const int64_t index = results.at(i).get("index").as_int("index");
      const double score = results.at(i).get("relevance_score").as_double("score");
      EXPECT_LE(score, last);
      last = score;
      EXPECT_TRUE(found.emplace(index, score).second) << "document " << index << " came twice";
      const JsonView text = results.at(i).get("document");
      if (text.exists()) {
        EXPECT_EQ(text.get("text").as_string("text"), documents[static_cast<size_t>(index)]);
      }
    }
    return found;
  }

  [[nodiscard]] int64_t max_length() {
    return server_->core().models().lease("rank")->info().max_length;
  }

  std::unique_ptr<Server> server_;
};

std::string repeat(std::string_view words, int64_t times) {
  std::string text;
  for (int64_t i = 0; i < times; ++i) text += words;
  return text;
}

TEST_F(RerankChunks, ADocumentIsAsGoodAsItsBestChunk) {
  const std::string one = repeat("the quick brown fox ", max_length());
  const std::string other = repeat("a lazy dog ", max_length());
  const std::vector<std::string> documents = {"a text", one + other, other + one};
  const auto cut = scores(documents, R"(,"max_chunks_per_doc":1)");
  EXPECT_EQ(cut, scores(documents, ""));
  const auto chunked = scores(documents, R"(,"max_chunks_per_doc":1000,"return_documents":true)");
  ASSERT_EQ(chunked.size(), 3U);
  EXPECT_EQ(chunked.at(0), cut.at(0));
  // Both halves are read, whichever comes first; the first chunk is what is read without chunks,
  // but for the token that a pair of RoBERTa's would need.
  EXPECT_NE(cut.at(1), cut.at(2));
  EXPECT_GT(chunked.at(1) + chunked.at(2), cut.at(1) + cut.at(2));
  const auto best = scores(documents, R"(,"max_chunks_per_doc":1000,"top_n":1)");
  ASSERT_EQ(best.size(), 1U);
  EXPECT_EQ(best.begin()->second, chunked.at(best.begin()->first));
}

TEST_F(RerankChunks, PriorityIsANumberUpTo999) {
  EXPECT_EQ(post({"a"}, R"(,"priority":999)").status, 200);
  EXPECT_EQ(post({"a"}, R"(,"priority":0)").status, 200);
  EXPECT_EQ(post({"a"}, R"(,"priority":1000)").status, 400);
  EXPECT_EQ(post({"a"}, R"(,"priority":-1)").status, 400);
  EXPECT_EQ(post({"a"}, R"(,"priority":"high")").status, 400);
  EXPECT_EQ(post({"a"}, R"(,"max_chunks_per_doc":0)").status, 400);
}

}  // namespace
}  // namespace tamis::serve
