// Callers by their API keys, over HTTP.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

constexpr std::string_view kEmbed = R"({"inputs":"ab"})";
constexpr std::string_view kAnswer = "[[2,97,98,195]]";

TEST(ServerKeys, AreAskedForWhereTheyShouldBe) {
  ServerOptions options = identity_options();
  options.api_key = "secret";
  const auto server = start(options);
  TestClient client(server->http_port());
  EXPECT_EQ(client.request("POST", "/embed", kEmbed).status, 401);
  EXPECT_EQ(client.request("POST", "/embed", kEmbed, "Authorization: Bearer secre\r\n").status,
            401);
  EXPECT_EQ(client.request("POST", "/embed", kEmbed, "Authorization: secret\r\n").status, 401);
  EXPECT_EQ(client.request("POST", "/embed", kEmbed, "Authorization: Bearer secret\r\n").body,
            kAnswer);
  EXPECT_EQ(client.request("GET", "/health").status, 200);
  EXPECT_EQ(client.request("GET", "/metrics").status, 200);
}

// Long ones are refused at their heads, so that who has no key holds no memory with what never
// ends.
TEST(ServerKeys, BodiesOfStrangersAreNotHeld) {
  ServerOptions options = identity_options();
  options.api_key = "secret";
  const auto server = start(options);
  const std::string long_text = cat(R"({"inputs":")", std::string(10'000, 'a'), R"("})");
  for (const char* const path : {"/embed", "/none"}) {
    for (const char* const framing : {"Content-Length: 9000000\r\n\r\n",
                                      "Content-Length: 4097\r\nExpect: 100-continue\r\n\r\n"}) {
      TestClient client(server->http_port());
      client.send(cat("POST ", path, " HTTP/1.1\r\nHost: a\r\n", framing));
      const TestAnswer answer = client.read();
      EXPECT_EQ(answer.status, 401);
      EXPECT_EQ(answer.header("WWW-Authenticate"), "Bearer");
      EXPECT_EQ(answer.header("Connection"), "close");
    }
    TestClient client(server->http_port());
    client.send(cat("POST ", path,
                    " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n",
                    long_text.substr(0, 0x1fff)));
    EXPECT_EQ(client.read().status, 401);
  }
  EXPECT_EQ(TestClient(server->http_port())
                .request("POST", "/embed", long_text, "Authorization: Bearer secret\r\n")
                .status,
            200);
  // Whoever asks for the health may say much.
  EXPECT_EQ(TestClient(server->http_port()).request("GET", "/health", long_text).status, 200);
}

// voyageai's client reads `detail`, and without it tells neither this from other errors.
TEST(ServerKeys, VoyagesClientIsToldInItsOwnForm) {
  ServerOptions options = identity_options();
  options.api_key = "k";
  const auto server = start(options);
  TestClient client(server->http_port());
  constexpr std::string_view kInput = R"({"input":"a"})";
  for (const char* agent : {"python-requests/2.34.2", "Python/3.11 aiohttp/3.12.15",
                            "Voyage/v1 PythonBindings/0.3.7"}) {
    const std::string header = cat("User-Agent: ", agent, "\r\n");
    const TestAnswer own = client.request("POST", "/v1/embeddings", kInput, header);
    EXPECT_EQ(own.status, 401);
    EXPECT_TRUE(own.body.starts_with(R"({"error":{)")) << own.body;
    EXPECT_NE(own.body.find(R"("detail":"the API key is)"), std::string::npos) << own.body;
  }
  const TestAnswer other = client.request("POST", "/v1/embeddings", kInput);
  EXPECT_TRUE(other.body.starts_with(R"({"error":{)")) << other.body;
  EXPECT_EQ(other.body.find("detail"), std::string::npos);
}

// What no endpoint sees has the headers of every answer, and its line in the log.
TEST(ServerKeys, RefusalsAtTheHeadAreAnswersToo) {
  ServerOptions options = identity_options();
  options.api_key = "secret";
  options.cors_origin = "https://a.example";
  options.log_requests = true;
  options.max_body_bytes = 20'000;
  const auto server = start(options);
  const std::pair<std::string, int> requests[] = {
      {"POST /embed HTTP/1.1\r\nContent-Length: 9000\r\n", 401},
      {"POST /embed HTTP/1.1\r\nAuthorization: Bearer secret\r\nContent-Length: 90000\r\n", 413},
      {"POST /embed HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400},
      {"GET /em%0 HTTP/1.1\r\n", 400},
      {"OPTIONS /embed HTTP/1.1\r\n", 204}};
  std::mutex mutex;
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel, std::string_view line) {
    const std::scoped_lock lock(mutex);
    lines.emplace_back(line);
  });
  for (const auto& [head, status] : requests) {
    TestClient client(server->http_port());
    client.send(cat(head, "Host: a\r\nOrigin: https://a.example\r\nX-Request-Id: rid\r\n\r\n"));
    const TestAnswer answer = client.read();
    EXPECT_EQ(answer.status, status) << head;
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "https://a.example") << head;
    EXPECT_EQ(answer.header("X-Request-Id"), "rid") << head;
    const std::string logged = cat(R"("status":)", status);
    const std::scoped_lock lock(mutex);
    EXPECT_TRUE(std::ranges::any_of(lines, [&logged](const std::string& line) {
      return line.find(R"("id":"rid")") != line.npos && line.find(logged) != line.npos;
    })) << head;
    lines.clear();
  }
  set_log_sink({});
}

TEST(ServerKeys, HaveNamesLimitsAndRights) {
  ServerOptions options = identity_options();
  options.api_keys = {{"search", "s", 2, false}, {"ops", "o", 0, true}};
  const auto server = start(options);
  TestClient client(server->http_port());
  const auto ask = [&](std::string_view path, std::string_view header) {
    return client.request("POST", path, kEmbed, header);
  };
  EXPECT_EQ(ask("/embed", "").status, 401);
  EXPECT_EQ(ask("/embed", "Authorization: Bearer s\r\n").body, kAnswer);
  EXPECT_EQ(ask("/embed", "api-key: s\r\n").body, kAnswer);
  const TestAnswer limited = ask("/embed", "Authorization: Bearer s\r\n");
  EXPECT_EQ(limited.status, 429);
  EXPECT_NE(limited.body.find("the key of search has used its requests"), std::string::npos);
  EXPECT_NE(limited.header("Retry-After"), "");
  EXPECT_EQ(ask("/embed", "Authorization: Bearer o\r\n").body, kAnswer);
  EXPECT_EQ(ask("/v2/repository/models/id/unload", "Authorization: Bearer o\r\n").status, 200);
  const std::string metrics = client.request("GET", "/metrics").body;
  EXPECT_NE(metrics.find("tamis_key_requests_total{key=\"search\",outcome=\"limited\"} 1"),
            std::string::npos);
}

TEST(ServerKeys, WithoutTheRightDoNotUnload) {
  ServerOptions options = identity_options();
  options.model_control = ModelControl::kExplicit;
  options.api_keys = {{"search", "s", 0, false}};
  const auto server = start(options);
  TestClient client(server->http_port());
  const std::string_view key = "Authorization: Bearer s\r\n";
  EXPECT_EQ(client.request("POST", "/v2/repository/models/id/unload", "", key).status, 403);
  EXPECT_EQ(client.request("POST", "/embed", kEmbed, key).body, kAnswer);
}

}  // namespace
}  // namespace tamis::serve
