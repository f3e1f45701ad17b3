// Traces, from a request over HTTP to what a collector on a socket gets.
#include <gtest/gtest.h>

#include <mutex>

#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

// A collector: keeps what is posted.
class Collector {
 public:
  explicit Collector(bool answers = true)
      : server_({}, [this, answers](const HttpExchangePtr& exchange) {
          const std::lock_guard lock(mutex_);
          if (!answers) return waiting_.push_back(exchange);
          const HttpRequest& request = exchange->request();
          got_.push_back(cat(request.method, " ", request.path, " ", request.header("x-team"), "\n",
                             request.body));
          HttpResponse response;
          response.body = "{}";
          exchange->respond(std::move(response));
        }) {
    server_.start();
  }
  ~Collector() {
    server_.stop();
    waiting_.clear();
  }
  [[nodiscard]] std::string url() const { return cat("http://127.0.0.1:", int{server_.port()}); }
  [[nodiscard]] std::vector<std::string> got() {
    const std::lock_guard lock(mutex_);
    return got_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> got_;
  std::vector<HttpExchangePtr> waiting_;
  HttpServer server_;
};

constexpr const char* kNoClient = "this build has no HTTP client (TAMIS_HUB)";

// Null: kNoClient.
std::unique_ptr<Server> start_traced(const TraceOptions& traces) {
  ServerOptions options = identity_options();
  options.traces = traces;
  try {
    return start(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return nullptr;
  }
}

TEST(ServerTrace, ACollectorGetsTheClientsTrace) {
  Collector collector;
  std::unique_ptr<Server> server = start_traced({collector.url(), "search", "x-team=blue", 0});
  if (!server) GTEST_SKIP() << kNoClient;
  {
    TestClient client(server->http_port());
    const std::string_view parent =
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        "X-Request-Id: r-7\r\n";
    EXPECT_EQ(client.request("POST", "/embed", R"({"inputs":["a","b"]})", parent).status, 200);
    EXPECT_EQ(client.request("POST", "/embed", R"({"inputs":"c"})").status, 200);
    EXPECT_EQ(
        client
            .request("POST", "/v2/models/id/infer",
                     R"({"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["k"]}]})",
                     "traceparent: 00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01\r\n")
            .status,
        200);
    EXPECT_NE(client.request("GET", "/metrics").body.find("tamis_traces_dropped_total 0"),
              std::string::npos);
  }
  // What waits is sent before the server is gone.
  server.reset();
  const std::vector<std::string> got = collector.got();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(got[0].starts_with("POST /v1/traces blue\n")) << got[0];
  for (const char* const part :
       {R"("traceId":"0af7651916cd43dd8448eb211c80319c")", R"("parentSpanId":"b7ad6b7169203331")",
        R"("traceId":"1af7651916cd43dd8448eb211c80319c")", R"("parentSpanId":"c7ad6b7169203331")",
        R"("name":"infer id")", R"("name":"tokenize")", R"({"stringValue":"r-7"})",
        R"({"key":"tamis.request.inputs","value":{"intValue":"2"}})"}) {
    EXPECT_NE(got[0].find(part), std::string::npos) << part << " in " << got[0];
  }
}

// Nor does the end of the process wait for it.
TEST(ServerTrace, ACollectorThatDoesNotAnswerIsLeft) {
  Collector collector(false);
  std::unique_ptr<Server> server = start_traced({collector.url(), "search", "", 1});
  if (!server) GTEST_SKIP() << kNoClient;
  EXPECT_EQ(TestClient(server->http_port()).request("POST", "/embed", R"({"inputs":"a"})").status,
            200);
  const auto begin = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace tamis::serve
