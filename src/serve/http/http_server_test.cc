// The wire of HTTP/1.1 over real sockets, with the identity model behind it.
#include "serve/http/http_server.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/file.h"
#include "serve/http/compression.h"
#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

constexpr std::string_view kEmbed = R"({"inputs":"ab"})";
constexpr std::string_view kAnswer = "[[2,97,98,195]]";
constexpr std::string_view kGet = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

std::string embed(std::string_view headers = "") {
  return TestClient::text("POST", "/embed", kEmbed, headers);
}

// The statuses of all answers until the connection ends.
std::vector<int> statuses(TestClient& client) {
  std::vector<int> all;
  for (;;) {
    const TestAnswer answer = client.read();
    if (answer.status == 0) return all;
    all.push_back(answer.status);
  }
}

std::vector<int> statuses_of(const Server& server, std::string_view bytes) {
  TestClient client(server.http_port());
  client.send(bytes);
  return statuses(client);
}

// Nothing behind a request whose end is in doubt is a request.
TEST(HttpServerTest, RequestsThatFrameBadlyEndTheConnection) {
  const auto server = start(identity_options());
  const char* const fields[] = {
      "Host: a\r\nTransfer-Encoding: chunked, gzip\r\n",
      "Host: a\r\nTransfer-Encoding: identity\r\n",
      "Host: a\r\nTransfer-Encoding: \r\n",
      "Host: a\r\nTransfer-Encoding: gzip\r\nContent-Length: 0\r\n",
      "Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
      "Host: a\r\nX: y\r\n z\r\n",
      "Host: a\r\nHost: b\r\n",
      "",
  };
  for (const char* const field : fields) {
    const std::string bytes = cat("POST /embed HTTP/1.1\r\n", field, "\r\n", kGet);
    EXPECT_EQ(statuses_of(*server, bytes), std::vector<int>{400}) << field;
  }
}

TEST(HttpServerTest, TrailersAreNoHeadersAndHaveAnEnd) {
  ServerOptions options = identity_options();
  options.api_key = "k";
  const auto server = start(options);
  const std::string chunked =
      cat("POST /embed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n", kEmbed,
          "\r\n0\r\n");
  EXPECT_EQ(
      statuses_of(*server, cat(chunked, "Authorization: Bearer k\r\nConnection: close\r\n\r\n",
                               "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")),
      (std::vector<int>{401, 200}));
  std::string flood = chunked;
  for (int i = 0; i < 2000; ++i) flood += "X-Much: much\r\n";
  EXPECT_EQ(statuses_of(*server, flood), std::vector<int>{431});
}

TEST(HttpServerTest, WhatWasAcceptedIsAnsweredBeforeAnErrorCloses) {
  ServerOptions options = identity_options();
  options.hold_queue = 2;
  const auto server = start(options);
  TestClient client(server->http_port());
  client.send(cat(kGet, embed(), "\x01garbage\r\n\r\n"));
  EXPECT_EQ(client.read().status, 200);
  TestClient other(server->http_port());
  EXPECT_EQ(other.request("POST", "/embed", kEmbed).status, 200);
  EXPECT_EQ(client.read().body, kAnswer);
  const TestAnswer refusal = client.read();
  EXPECT_EQ(refusal.status, 400);
  EXPECT_EQ(refusal.header("Connection"), "close");
  EXPECT_EQ(client.read().status, 0);
}

TEST(HttpServerTest, AClientThatEndsItsSideGetsItsAnswers) {
  ServerOptions options = identity_options();
  options.hold_queue = 2;
  const auto server = start(options);
  TestClient client(server->http_port());
  client.send(cat(kGet, embed(), "POST /embed HTTP/1.1\r\nHost"));
  ::shutdown(client.socket(), SHUT_WR);
  EXPECT_EQ(client.read().status, 200);
  while (server->core().in_flight() == 0) std::this_thread::yield();
  TestClient other(server->http_port());
  EXPECT_EQ(other.request("POST", "/embed", kEmbed).status, 200);
  TestAnswer answer = client.read();
  // On a slow machine it is asked first whether it is there.
  if (answer.status == 100) answer = client.read();
  EXPECT_EQ(answer.body, kAnswer);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_EQ(client.read().status, 0);
}

TEST(HttpServerTest, SpeaksHttp10) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const std::string request =
      cat("POST /embed HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: ", kEmbed.size(),
          "\r\n\r\n", kEmbed);
  for (int i = 0; i < 3; ++i) {
    client.send(request);
    const TestAnswer answer = client.read();
    EXPECT_EQ(answer.body, kAnswer);
    EXPECT_EQ(answer.header("Connection"), "keep-alive");
  }
  client.send("GET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().header("Connection"), "close");
  EXPECT_EQ(client.read().status, 0);
}

TEST(HttpServerTest, TakesTheTargetsThatClientsMake) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  EXPECT_EQ(client.request("POST", "//embed", kEmbed).body, kAnswer);
  EXPECT_EQ(client.request("POST", "http://elsewhere:80/embed", kEmbed).body, kAnswer);
  EXPECT_EQ(client.request("GET", "/v1//models").status, 200);
}

TEST(HttpServerTest, HeadersThatAnswersOwe) {
  const auto server = start(identity_options());
  TestClient client(server->http_port());
  const TestAnswer health = client.request("GET", "/health");
  EXPECT_EQ(health.header("Date").size(), http_date(0).size());
  EXPECT_EQ(client.request("GET", "/embed").header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(client.request("DELETE", "/info").header("Allow"), "GET, HEAD, OPTIONS");
  const TestAnswer both = client.request("PUT", "/");
  EXPECT_EQ(both.status, 405);
  EXPECT_EQ(both.header("Allow"), "GET, HEAD, POST, OPTIONS");
  // A cache must not hand it to a client that asked for gzip.
  EXPECT_EQ(client.request("GET", "/v2/models/stats").header("Vary"), "Accept-Encoding");
}

TEST(HttpServerTest, WhatIsTooLargeIsRefusedInTheRoutesForm) {
  ServerOptions options = identity_options();
  options.max_body_bytes = 1000;
  const auto server = start(options);
  struct Case {
    const char* path;
    const char* text;
  };
  const Case cases[] = {
      {"/embed", R"("error_type":"Validation")"},
      {"/v1/embeddings", R"("type":"invalid_request_error")"},
      {"/v2/models/id/infer", R"({"error":")"},
      {"/v2/rerank", R"("detail":)"},
      {"/v1/ner", R"("code":"invalid_argument")"},
  };
  const std::string large(2000, ' ');
  const std::string packed = compress_body("gzip", large);
  for (const Case& item : cases) {
    const auto check = [&](std::string_view body, std::string_view headers) {
      TestClient client(server->http_port());
      const TestAnswer answer = client.request("POST", item.path, body, headers);
      EXPECT_EQ(answer.status, 413) << item.path;
      EXPECT_NE(answer.body.find(item.text), std::string::npos) << answer.body;
    };
    check(large, "");
    check(packed, "Content-Encoding: gzip\r\n");
  }
  TestClient client(server->http_port());
  EXPECT_EQ(client.request("POST", "/embed", packed, "Content-Encoding: zstd\r\n").status, 415);
  EXPECT_EQ(
      client
          .request("POST", "/embed", packed, "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")
          .status,
      415);
}

TEST(HttpServerTest, ForOneConnectionTooManyTheOldestUnfinishedGoes) {
  ServerOptions options = identity_options();
  options.max_connections = 2;
  options.hold_queue = 2;
  const auto server = start(options);
  const auto settled = [&](uint64_t accepted) {
    while (server->http().counts().accepted < accepted) std::this_thread::yield();
  };
  TestClient first(server->http_port());
  first.send("POST /embed HTTP/1.1\r\n");
  settled(1);
  TestClient second(server->http_port());
  second.send("POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{");
  settled(2);
  TestClient third(server->http_port());
  third.send(embed());
  EXPECT_EQ(first.read().status, 0);
  while (server->core().in_flight() == 0) std::this_thread::yield();
  TestClient fourth(server->http_port());
  fourth.send("GET /health HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(second.read().status, 0);
  // Of the two left, one waits for its answer and the other has begun: that one goes.
  TestClient fifth(server->http_port());
  fifth.send(embed());
  EXPECT_EQ(fourth.read().status, 0);
  EXPECT_EQ(third.read().body, kAnswer);
  EXPECT_EQ(fifth.read().body, kAnswer);
  EXPECT_LE(server->http().counts().connections, 2);
}

TEST(HttpServerTest, WhenAllAreOwedAnswersTheNewConnectionIsRefused) {
  ServerOptions options = identity_options();
  options.max_connections = 1;
  options.hold_queue = 2;
  const auto server = start(options);
  TestClient held(server->http_port());
  held.send(cat(embed()));
  while (server->core().in_flight() == 0) std::this_thread::yield();
  TestClient refused(server->http_port());
  EXPECT_EQ(refused.read().status, 0);
  held.send(embed());
  EXPECT_EQ(held.read().body, kAnswer);
  EXPECT_EQ(held.read().body, kAnswer);
}

TEST(HttpServerTest, HeadsHaveLessTimeThanBodies) {
  ServerOptions options = identity_options();
  options.header_timeout_ms = 1;
  const auto server = start(options);
  TestClient slow(server->http_port());
  slow.send("POST /embed HTTP/1.1\r\nHos");
  EXPECT_EQ(slow.read().status, 0);
  TestClient body(server->http_port());
  body.send("POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{");
  // The sweep that closed the first has passed over this one too, by the time another is closed.
  TestClient again(server->http_port());
  again.send("POST");
  EXPECT_EQ(again.read().status, 0);
  body.send(kEmbed.substr(1));
  EXPECT_EQ(body.read().body, kAnswer);
}

TEST(HttpServerTest, BodiesOfAllConnectionsTogetherHaveALimit) {
  ServerOptions options = identity_options();
  options.max_held_bytes = 200'000;
  const auto server = start(options);
  const std::string announced =
      "POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
  TestClient holder(server->http_port());
  holder.send(cat(announced, std::string(70'000, ' ')));
  while (server->http().budget().held() < 70'000) std::this_thread::yield();
  TestClient large(server->http_port());
  large.send(cat(announced, std::string(100'000, ' ')));
  const TestAnswer answer = large.read();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_NE(answer.body.find(R"("type":"service_unavailable")"), std::string::npos) << answer.body;
  EXPECT_EQ(TestClient(server->http_port()).request("POST", "/embed", kEmbed).body, kAnswer);
  holder.close();
  large.close();
  while (server->http().budget().held() != 0) std::this_thread::yield();
}

// Slow senders keep nobody else out for as long as a request may take.
TEST(HttpServerTest, ABodyThatHasLongBeenComingGivesWay) {
  ServerOptions options = identity_options();
  options.max_held_bytes = 400'000;  // of which large ones may use 300,000
  const auto server = start(options);
  const auto send = [](TestClient& client, size_t spaces) {
    client.send(cat("POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
                    std::string(spaces, ' ')));
  };
  TestClient older(server->http_port());
  send(older, 90'000);
  while (server->http().budget().held() < 90'000) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  TestClient newer(server->http_port());
  send(newer, 90'000);
  while (server->http().budget().held() < 180'000) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  TestClient large(server->http_port());
  send(large, 100'000 - kEmbed.size());
  large.send(kEmbed);
  EXPECT_EQ(large.read().body, kAnswer);
  EXPECT_EQ(statuses(older), std::vector<int>{503});
  newer.send(cat(std::string(10'000 - kEmbed.size(), ' '), kEmbed));
  EXPECT_EQ(newer.read().body, kAnswer);
}

TEST(HttpServerTest, AnswersThatWaitHaveALimit) {
  constexpr std::string_view kLong = "/openapi.json";
  const size_t size =
      TestClient(start(identity_options())->http_port()).request("GET", kLong).body.size();
  ServerOptions options = identity_options();
  options.max_held_bytes = static_cast<int64_t>(size);  // a quarter is kept for small ones
  const auto little = start(options);
  TestClient refused(little->http_port());
  EXPECT_EQ(refused.request("GET", kLong).status, 503);
  EXPECT_EQ(refused.request("POST", "/embed", kEmbed).body, kAnswer);
  options.max_held_bytes *= 2;
  const auto enough = start(options);
  TestClient client(enough->http_port());
  // Each is given back once it is sent.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.request("GET", kLong).body.size(), size);
}

TEST(HttpServerTest, DrainAnswersWhatLiesInTheSockets) {
  const auto server = start(identity_options());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<TestClient>(server->http_port()));
    EXPECT_EQ(clients.back()->request("GET", "/health").status, 200);
  }
  // These are connected, and perhaps not accepted.
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<TestClient>(server->http_port()));
  }
  for (const auto& client : clients) client->send(embed());
  EXPECT_TRUE(server->drain());
  for (const auto& client : clients) {
    EXPECT_EQ(client->read().body, kAnswer);
    EXPECT_EQ(client->read().status, 0);
  }
}

TEST(HttpServerTest, DrainAnswersAllOfAPipeline) {
  ServerOptions options = identity_options();
  options.hold_queue = 100;
  const auto server = start(options);
  TestClient client(server->http_port());
  client.send(cat(embed(), embed(), embed()));
  while (server->core().in_flight() < 3) std::this_thread::yield();
  EXPECT_TRUE(server->drain());
  EXPECT_EQ(client.read().header("Connection"), "");
  EXPECT_EQ(client.read().header("Connection"), "");
  const TestAnswer last = client.read();
  EXPECT_EQ(last.body, kAnswer);
  EXPECT_EQ(last.header("Connection"), "close");
}

TEST(HttpServerTest, ListensOnNamesAndBrackets) {
  for (const char* const host : {"localhost", "[::1]", "::1"}) {
    ServerOptions options = identity_options();
    options.host = host;
    options.grpc_port = GrpcServer::is_built() ? 0 : -1;
    try {
      const auto server = start(options);
      EXPECT_NE(server->http_port(), 0) << host;
      EXPECT_EQ(server->grpc_port() != 0, GrpcServer::is_built()) << host;
      if (options.host == "localhost") {
        EXPECT_EQ(TestClient(server->http_port()).request("GET", "/health").status, 200);
      }
    } catch (const Error& error) {
      // A machine without IPv6.
      EXPECT_EQ(error.code(), ErrorCode::kUnavailable) << error.what();
      EXPECT_NE(std::string_view(error.what()).find("[::1]"), std::string_view::npos);
    }
  }
  ServerOptions options = identity_options();
  options.host = "no such host";
  EXPECT_THROW(Server{options}, Error);
}

ServerOptions at_path(const std::string& path) {
  ServerOptions options = identity_options();
  options.uds = path;
  return options;
}

// What keeps a server from listening there.
std::string refusal_at(const std::string& path) {
  try {
    const Server server{at_path(path)};
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class SocketPathTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string in_folder(std::string_view name) const {
    return folder_ + "/" + std::string(name);
  }

 private:
  std::string folder_ = ::testing::TempDir() + "tamis-socket-XXXXXX";
};

TEST_F(SocketPathTest, IsListenedOn) {
  const std::string path = in_folder("http.sock");
  {
    const auto server = start(at_path(path));
    EXPECT_EQ(server->http_port(), 0);
    EXPECT_EQ(TestClient(path).request("POST", "/embed", kEmbed).body, kAnswer);
    EXPECT_NE(refusal_at(path).find("a server listens there"), std::string::npos);
    EXPECT_EQ(TestClient(path).request("GET", "/health").status, 200);
    EXPECT_TRUE(server->drain());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SocketPathTest, WhatWasLeftBehindIsReplaced) {
  const std::string path = in_folder("http.sock");
  const ListenSockets left = listen_on({"", 0, path, {}}, "test");
  close(left.descriptors.front());
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto server = start(at_path(path));
  EXPECT_EQ(TestClient(path).request("GET", "/health").status, 200);
  // The file is the new one's now.
  left.file.remove();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(SocketPathTest, WhatCannotBeListenedOnIsNamed) {
  const std::string file = in_folder("file");
  write_file(file, "kept");
  EXPECT_NE(refusal_at(file).find("the file is no socket"), std::string::npos);
  EXPECT_EQ(read_file(file), "kept");
  EXPECT_NE(refusal_at(in_folder("absent/http.sock")).find("No such file"), std::string::npos);
  EXPECT_NE(refusal_at(in_folder(std::string(200, 'x'))).find("at most 107"), std::string::npos);
}

TEST(HttpDate, IsTheFixedForm) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace tamis::serve
