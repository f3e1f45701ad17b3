// The server over real sockets with the identity model: connections, limits, life cycle. What the
// dialects answer is in tests/server.
#include "serve/server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "serve/http/compression.h"
#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

constexpr std::string_view kEmbed = R"({"inputs":"ab"})";
// Bytes of "ab" are 97 and 98.
constexpr std::string_view kAnswer = "[[2,97,98,195]]";

TEST(ServerTest, KeepsAConnectionForManyRequests) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  for (int i = 0; i < 50; ++i) {
    const TestAnswer answer = client.request("POST", "/embed", kEmbed);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, kAnswer);
  }
  EXPECT_EQ(server->http().counts().accepted, 1U);
}

TEST(ServerTest, AnswersPipelinedRequestsInOrder) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  std::string burst;
  for (int i = 1; i <= 40; ++i) {
    burst += TestClient::text(
        "POST", "/embed", cat(R"({"inputs":")", std::string(static_cast<size_t>(i), 'a'), "\"}"));
  }
  client.send(burst);
  for (int i = 1; i <= 40; ++i)
    EXPECT_EQ(client.read().body, cat("[[", i, ",97,97,", 97 * i, "]]"));
}

TEST(ServerTest, TakesChunkedBodiesAndBodiesByteByByte) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  client.send("POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("6\r\n{\"inpu\r\n9\r\nts\":\"ab\"}\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body, kAnswer);
  for (const char byte : TestClient::text("POST", "/embed", kEmbed)) client.send({&byte, 1});
  EXPECT_EQ(client.read().body, kAnswer);
}

TEST(ServerTest, SaysContinueToWhoAsks) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  client.send(cat("POST /embed HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ",
                  kEmbed.size(), "\r\n\r\n"));
  EXPECT_EQ(client.read(true).status, 100);
  client.send(kEmbed);
  EXPECT_EQ(client.read().body, kAnswer);
}

TEST(ServerTest, HeadHasNoBody) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  EXPECT_EQ(client.request("HEAD", "/health").status, 200);
  EXPECT_EQ(client.request("HEAD", "/info").status, 200);
  EXPECT_EQ(client.request("GET", "/health").status, 200);
}

TEST(ServerTest, RefusesWhatIsTooLargeOrNoHttp) {
  ServerOptions options = identity_options();
  options.max_body_bytes = 1000;
  const auto server = start(options);
  const auto status = [&](std::string_view bytes) {
    TestClient client(server->http_port());
    client.send(bytes);
    const TestAnswer answer = client.read();
    // And the connection ends.
    EXPECT_EQ(client.read().status, 0);
    return answer.status;
  };
  EXPECT_EQ(status(TestClient::text("POST", "/embed", std::string(2000, 'x'))), 413);
  EXPECT_EQ(status("POST /embed HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(status(cat("GET / HTTP/1.1\r\nX: ", std::string(20000, 'x'), "\r\n\r\n")), 431);
  EXPECT_EQ(status("\x16\x03\x01 not http at all\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/9.9\r\n\r\n"), 505);
  TestClient client(server->http_port());
  EXPECT_EQ(client.request("GET", "/%zz").status, 400);
  EXPECT_EQ(client.request("GET", "/%00").status, 400);
}

TEST(ServerTest, ClosesSlowSendersAndIdleConnections) {
  ServerOptions options = identity_options();
  options.request_timeout_ms = 1;
  options.header_timeout_ms = 1;
  options.idle_timeout_ms = 1;
  const auto server = start(options);
  TestClient slow(server->http_port());
  slow.send("POST /embed HTTP/1.1\r\nContent-Le");
  EXPECT_EQ(slow.read().status, 0);
  TestClient idle(server->http_port());
  EXPECT_EQ(idle.read().status, 0);
  // Counted once it is closed.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (server->http().counts().timed_out < 2U && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(server->http().counts().timed_out, 2U);
}

TEST(ServerTest, AClientThatGoesLeavesTheQueue) {
  ServerOptions options = identity_options();
  options.hold_queue = 2;
  const auto server = start(options);
  {
    TestClient gone(server->http_port());
    gone.send(TestClient::text("POST", "/embed", kEmbed));
    while (server->core().in_flight() == 0) std::this_thread::yield();
  }
  while (server->core().in_flight() != 0) std::this_thread::yield();
  const ModelLease model = server->core().models().lease("id");
  EXPECT_EQ(model->stats().view().cancelled, 1U);
  EXPECT_EQ(model->stats().view().execution_count, 0U);
}

TEST(ServerTest, RefusesWhatWouldWaitTooLong) {
  ServerOptions options = identity_options();
  options.hold_queue = 100;
  options.max_queue_latency_ms = 1000;
  const auto server = start(options);
  server->core().models().lease("id")->batcher().set_rate(1);
  TestClient first(server->http_port());
  first.send(TestClient::text("POST", "/embed", kEmbed));
  while (server->core().in_flight() == 0) std::this_thread::yield();
  struct Case {
    const char* path;
    const char* body;
    int status;
    const char* text;
  };
  const Case cases[] = {
      {"/embed", R"({"inputs":"abcdefgh"})", 429, R"("error_type":"Overloaded")"},
      {"/v1/embeddings", R"({"input":"abcdefgh"})", 429, R"("type":"rate_limit_error")"},
      {"/v2/models/id/infer",
       R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["abcdefgh"]}]})", 503,
       "Exceeds maximum queue size"},
      {"/", R"({"inputs":"abcdefgh"})", 429, R"("error_type":"Overloaded")"},
  };
  for (const Case& item : cases) {
    TestClient client(server->http_port());
    const TestAnswer answer = client.request("POST", item.path, item.body);
    EXPECT_EQ(answer.status, item.status) << item.path;
    EXPECT_NE(answer.body.find(item.text), std::string::npos) << answer.body;
    EXPECT_FALSE(answer.header("Retry-After").empty()) << item.path;
  }
}

TEST(ServerTest, TimeoutAndPriorityOfKserveAreHonoured) {
  ServerOptions options = identity_options();
  options.hold_queue = 100;
  const auto server = start(options);
  TestClient client(server->http_port());
  const TestAnswer answer = client.request(
      "POST", "/v2/models/id/infer",
      R"({"parameters":{"timeout":1000},"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a"]}]})");
  EXPECT_EQ(answer.status, 504);
  EXPECT_NE(answer.body.find("Request timeout expired"), std::string::npos);
}

TEST(ServerTest, DrainAnswersWhatWasAccepted) {
  ServerOptions options = identity_options();
  options.hold_queue = 1000;
  const auto server = start(options);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<TestClient>(server->http_port()));
    clients.back()->send(TestClient::text("POST", "/embed", kEmbed));
  }
  TestClient idle(server->http_port());
  while (server->core().in_flight() < 20) std::this_thread::yield();
  EXPECT_TRUE(server->drain());
  for (const auto& client : clients) {
    const TestAnswer answer = client->read();
    EXPECT_EQ(answer.body, kAnswer);
    EXPECT_EQ(answer.header("Connection"), "close");
  }
  EXPECT_EQ(idle.read().status, 0);
  EXPECT_FALSE(TestClient(server->http_port()).connected());
}

TEST(ServerTest, ReadinessFollowsModelsAndDrain) {
  Server server(identity_options());
  TestClient client(server.http_port());
  server.load();
  EXPECT_EQ(client.request("GET", "/v2/health/ready").status, 200);
  server.core().start_drain();
  EXPECT_EQ(client.request("GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(client.request("GET", "/v2/health/ready").body, R"({"ready":false})");
  EXPECT_EQ(client.request("GET", "/v2/health/live").body, R"({"live":true})");
  EXPECT_EQ(client.request("GET", "/v2/models/id/ready").body, R"({"name":"id","ready":true})");
  const TestAnswer answer = client.request("GET", "/health");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("Unhealthy"), std::string::npos);
  // What comes while it drains is still answered.
  EXPECT_EQ(client.request("POST", "/embed", kEmbed).body, kAnswer);
}

// Known, and not there yet: "come back", and not "there is no such model".
TEST(ServerTest, AModelThatIsStillLoadingIsUnavailable) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  options.models = {{"m", "/models/of/m"}};
  Server server(options);
  const auto status = [&](std::string_view method, std::string_view path, std::string_view body) {
    const TestAnswer answer = TestClient(server.http_port()).request(method, path, body);
    EXPECT_EQ(answer.body.find("load") != std::string::npos, method == "POST") << answer.body;
    return answer.status;
  };
  constexpr std::string_view kInfer =
      R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a"]}]})";
  EXPECT_EQ(status("POST", "/v2/models/m/infer", kInfer), 503);
  EXPECT_EQ(status("POST", "/v2/models/m_model/infer", kInfer), 503);
  EXPECT_EQ(status("POST", "/embed", R"({"inputs":"a"})"), 503);
  EXPECT_EQ(status("POST", "/embed", R"({"inputs":"a","model":"m"})"), 503);
  EXPECT_EQ(status("POST", "/v1/embeddings", R"({"input":"a","model":"/models/of/m"})"), 503);
  EXPECT_EQ(status("POST", "/models/m", R"({"inputs":"a"})"), 503);
  TestClient client(server.http_port());
  EXPECT_EQ(client.request("POST", "/v2/models/n/infer", kInfer).status, 404);
  EXPECT_EQ(client.request("POST", "/models/n", R"({"inputs":"a"})").status, 404);
  EXPECT_EQ(TestClient(server.http_port()).request("GET", "/v2/models/m/ready").status, 503);
  EXPECT_EQ(status("GET", "/v2/health/ready", ""), 503);
  EXPECT_EQ(status("GET", "/v2/health/live", ""), 200);
}

// Loads that wait their turn still answer, through a core that is there.
TEST(ServerTest, EndsWhileModelsAreLoaded) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  options.log_requests = true;
  options.models = {{"m", TAMIS_TESTDATA "/models/bert-base"}};
  options.model_control = ModelControl::kExplicit;
  const std::string load =
      TestClient::text("POST", "/v2/repository/models/m/load", "", "Host: localhost\r\n");
  for (int i = 0; i < 5; ++i) {
    auto server = std::make_unique<Server>(options);
    TestClient client(server->http_port());
    for (int k = 0; k < 4; ++k) client.send(load);
    // Read behind them.
    EXPECT_EQ(TestClient(server->http_port()).request("GET", "/v2/health/live").status, 200);
    server.reset();
  }
}

TEST(ServerTest, APortInUseIsAnError) {
  const auto server = start(identity_options());
  ServerOptions options = identity_options();
  options.port = server->http_port();
  try {
    Server second(options);
    FAIL() << "two servers listen on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  }
}

TEST(ServerTest, ADeploymentInThePathDecides) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string_view body = R"({"model":"text-embedding-ada-002","input":"ab"})";
  const std::string path = "/openai/deployments/id/embeddings?api-version=2024-06-01";
  const TestAnswer answer = client.request("POST", path, body, "api-key: any\r\n");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find(R"("model":"id")"), std::string::npos);
  EXPECT_EQ(client.request("POST", "/v1/engines/id/embeddings", body).status, 200);
  EXPECT_EQ(client.request("POST", "/openai/deployments/nobody/embeddings", body).status, 404);
}

TEST(ServerTest, InfoIsOfTheModelThatIsNamed) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string plain = client.request("GET", "/info").body;
  EXPECT_EQ(client.request("GET", "/info?x=1&model=i%64").body, plain);
  const TestAnswer unknown = client.request("GET", "/info?model=nobody");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("nobody"), std::string::npos);
  EXPECT_EQ(client.request("GET", "/info?model=%z").status, 422);
}

TEST(ServerTest, OpenAisErrorsSayWhichMemberAndWhy) {
  ServerOptions options = identity_options();
  options.api_key = "secret";
  const auto server = start(options);
  TestClient client(server->http_port());
  const auto body = [&](std::string_view json, std::string_view key) {
    return client
        .request("POST", "/v1/embeddings", json, cat("Authorization: Bearer ", key, "\r\n"))
        .body;
  };
  struct Case {
    const char* body;
    const char* key;
    const char* text;
  };
  const Case cases[] = {
      {R"({"input":"a"})", "wrong", R"("param":null,"code":"invalid_api_key")"},
      {R"({"input":"a","model":"x"})", "secret", R"("param":"model","code":"model_not_found")"},
      {R"({"input":[[]]})", "secret", R"("param":"input","code":"invalid_argument")"},
      {R"({"input":7})", "secret", R"("param":"input")"},
      {R"({"input":"a","encoding_format":"x"})", "secret", R"("param":"encoding_format")"},
      {R"([])", "secret", R"("param":null)"},
  };
  for (const Case& item : cases) {
    const std::string answer = body(item.body, item.key);
    EXPECT_NE(answer.find(item.text), std::string::npos) << item.body << " " << answer;
  }
}

TEST(ServerTest, SpeaksGzipAndTraces) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string packed = compress_body("gzip", kEmbed);
  EXPECT_EQ(client.request("POST", "/embed", packed, "Content-Encoding: gzip\r\n").body, kAnswer);
  EXPECT_EQ(client.request("POST", "/embed", "xx", "Content-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(client.request("POST", "/embed", "xx", "Content-Encoding: br\r\n").status, 415);
  const TestAnswer metadata =
      client.request("GET", "/v2/models/stats", "", "Accept-Encoding: gzip\r\n");
  ASSERT_EQ(metadata.header("Content-Encoding"), "gzip");
  EXPECT_NE(decompress_body("gzip", metadata.body, 1 << 20).find("cache_miss"), std::string::npos);
  const TestAnswer traced = client.request(
      "POST", "/embed", kEmbed,
      "traceparent: 00-ab-cd-01\r\ntracestate: a=1\r\ntracestate: b=2\r\nX-Request-Id: mine\r\n");
  EXPECT_EQ(traced.header("traceparent"), "00-ab-cd-01");
  EXPECT_EQ(traced.header("tracestate"), "a=1,b=2");
  EXPECT_EQ(traced.header("X-Request-Id"), "mine");
  const TestAnswer orphan = client.request("GET", "/health", "", "tracestate: a=1\r\n");
  EXPECT_EQ(orphan.header("tracestate"), "");
}

TEST(ServerTest, PagesOfOtherOriginsAskOnlyWhereTheyMay) {
  constexpr std::string_view kAsk = "Origin: http://a\r\nAccess-Control-Request-Method: POST\r\n";
  ServerOptions options = identity_options();
  {
    const auto closed = start(options);
    TestClient client(closed->http_port());
    const TestAnswer preflight = client.request("OPTIONS", "/embed", "", kAsk);
    EXPECT_EQ(preflight.status, 204);
    EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "");
    EXPECT_EQ(preflight.header("Access-Control-Allow-Methods"), "");
    const TestAnswer answer = client.request("POST", "/embed", kEmbed, "Origin: http://a\r\n");
    EXPECT_EQ(answer.body, kAnswer);
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "");
  }
  options.cors_origin = "*";
  const auto open = start(options);
  TestClient client(open->http_port());
  EXPECT_EQ(client.request("OPTIONS", "/embed", "", kAsk).header("Access-Control-Allow-Origin"),
            "*");
  const TestAnswer answer = client.request("POST", "/embed", kEmbed, "Origin: http://a\r\n");
  EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(answer.header("Access-Control-Expose-Headers"), "*");
}

TEST(ServerTest, OptionsTellTheMethodsWhoeverAsks) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  struct Case {
    const char* path;
    int status;
    const char* allow;
  };
  const Case cases[] = {
      {"/embed", 204, "POST, OPTIONS"},       {"/health", 204, "GET, HEAD, OPTIONS"},
      {"/", 204, "GET, HEAD, POST, OPTIONS"}, {"/v1/rerank", 204, "POST, OPTIONS"},
      {"*", 204, "GET, HEAD, POST, OPTIONS"}, {"/nothing", 404, ""}};
  for (const Case& item : cases) {
    const TestAnswer answer = client.request("OPTIONS", item.path);
    EXPECT_EQ(answer.status, item.status) << item.path;
    EXPECT_EQ(answer.header("Allow"), item.allow) << item.path;
  }
}

TEST(ServerTest, ModelsAreLoadedAndUnloadedOnlyWhereTheyMay) {
  ServerOptions options = identity_options();
  constexpr std::string_view kUnload = "/v2/repository/models/id/unload";
  const auto status = [&](std::string_view headers) {
    const auto server = start(options);
    return TestClient(server->http_port())
        .request("POST", kUnload, "", cat("Host: localhost\r\n", headers))
        .status;
  };
  {
    const auto server = start(options);
    TestClient client(server->http_port());
    const TestAnswer refused = client.request("POST", kUnload);
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("--model-control explicit"), std::string::npos) << refused.body;
    // Reading stays open.
    EXPECT_EQ(client.request("POST", "/v2/repository/index").status, 200);
    EXPECT_EQ(client.request("GET", "/v2/models/id").status, 200);
    EXPECT_EQ(client.request("POST", "/embed", kEmbed).body, kAnswer);
  }
  options.model_control = ModelControl::kExplicit;
  EXPECT_EQ(status(""), 200);
  EXPECT_EQ(status("Origin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status("X-Forwarded-For: 10.0.0.1\r\n"), 403);
  options.model_control = ModelControl::kNone;
  options.api_key = "secret";
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Authorization: Bearer secret\r\nOrigin: http://evil.example\r\n"), 200);
}

TEST(ServerTest, AnswersThatAreKeptAreGivenAgainWithoutARun) {
  ServerOptions options = identity_options();
  options.cache_bytes = 1 << 20;
  const auto server = start(options);
  TestClient client(server->http_port());
  const auto runs = [&] {
    return server->core().models().lease("id")->stats().view().execution_count;
  };
  EXPECT_EQ(client.request("POST", "/embed", kEmbed).body, kAnswer);
  const auto before = runs();
  EXPECT_EQ(client.request("POST", "/embed", kEmbed).body, kAnswer);
  EXPECT_EQ(client.request("POST", "/v1/embeddings", R"({"input":["ab","ab"]})").status, 200);
  EXPECT_EQ(runs(), before);
  EXPECT_EQ(client.request("POST", "/embed", R"({"inputs":["ab","c","ab"]})").body,
            "[[2,97,98,195],[1,99,99,99],[2,97,98,195]]");
  EXPECT_EQ(runs(), before + 1);
  const std::string metrics = client.request("GET", "/metrics").body;
  EXPECT_NE(metrics.find("\ntamis_cache_hits_total 5\n"), std::string::npos);
  EXPECT_NE(metrics.find("\ntamis_cache_misses_total 2\n"), std::string::npos);
  EXPECT_NE(metrics.find("\ntamis_cache_entries 2\n"), std::string::npos);
}

// What Prometheus' own linter asks of an exposition.
TEST(ServerTest, EveryMetricHasItsHelpAndType) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string text = client.request("GET", "/metrics").body;
  size_t types = 0;
  std::string helped;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const auto word = [&line](size_t prefix) {
      return line.substr(prefix, line.find(' ', prefix) - prefix);
    };
    constexpr std::string_view kHelp = "# HELP ";
    constexpr std::string_view kType = "# TYPE ";
    if (line.starts_with(kHelp)) helped = word(kHelp.size());
    if (!line.starts_with(kType)) continue;
    EXPECT_EQ(word(kType.size()), helped);
    ++types;
  }
  EXPECT_GT(types, 30U);
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ",
                           "process_open_fds ", "process_start_time_seconds "}) {
    const size_t at = text.find(cat("\n", std::string_view(name)));
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GT(std::stod(text.substr(at + 1 + std::string_view(name).size())), 0) << name;
  }
}

TEST(ServerTest, ABombIsRefusedBeforeItIsUnpacked) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string bomb = compress_body("gzip", std::string(64 << 20, ' '));
  EXPECT_EQ(client.request("POST", "/embed", bomb, "Content-Encoding: gzip\r\n").status, 413);
}

TEST(ServerTest, HostileJsonIsRefused) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string deep = cat(R"({"inputs":)", std::string(100, '['), std::string(100, ']'), "}");
  const std::string cases[] = {
      deep, R"({"inputs":"a","inputs":"b"})", "{\"inputs\":\"\xff\"}", R"({"inputs":NaN})", "",
      "{"};
  for (const std::string& body : cases) {
    EXPECT_EQ(client.request("POST", "/embed", body).status, 400) << body;
  }
  EXPECT_EQ(client.request("POST", "/embed", R"({"inputs":5})").status, 422);
  const TestAnswer empty = client.request("POST", "/embed", R"({"inputs":[]})");
  EXPECT_EQ(empty.status, 400);
  EXPECT_EQ(empty.body, R"({"error":"`inputs` cannot be empty","error_type":"Empty"})");
  EXPECT_EQ(client.request("POST", "/embed", "[]").status, 422);
}

}  // namespace
}  // namespace tamis::serve
