#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "load/driver.h"
#include "load/payload.h"
#include "load/texts.h"

namespace tamis::load {
namespace {

std::filesystem::path write_texts(const char* content) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "load_test_texts.txt";
  std::ofstream(path) << content;
  return path;
}

TEST(LoadTexts, CutsTheFilesWordsInOrder) {
  const auto file = write_texts("one two three\nfour five\n");
  EXPECT_EQ(make_texts(file, parse_word_count("2"), 4),
            (std::vector<std::string>{"one two", "three four", "five one", "two three"}));
  EXPECT_EQ(make_texts(file, parse_word_count(""), 3),
            (std::vector<std::string>{"one two three", "four five", "one two three"}));
}

TEST(LoadTexts, WordCounts) {
  const WordCount range = parse_word_count("4-216");
  EXPECT_EQ(range.least, 4);
  EXPECT_EQ(range.most, 216);
  for (const char* bad : {"0", "-3", "5-4", "x", "3-", "1-200000"}) {
    EXPECT_THROW((void)parse_word_count(bad), Error) << bad;
  }
}

TEST(LoadPayload, KServeBinaryTellsItsSizes) {
  PayloadOptions options;
  options.dialect = "kserve-binary";
  options.model = "m";
  const std::string request = make_payloads({"ab"}, options).front();
  EXPECT_NE(request.find("POST /v2/models/m/infer HTTP/1.1\r\n"), request.npos) << request;
  EXPECT_NE(request.find("\"binary_data_size\":6"), request.npos) << request;
  EXPECT_EQ(request.substr(request.size() - 6), std::string("\2\0\0\0ab", 6));
  options.dialect = "nothing";
  EXPECT_THROW((void)make_payloads({"ab"}, options), Error);
}

TEST(LoadLatency, NearestRank) {
  std::vector<int64_t> ns;
  for (int64_t i = 100; i >= 1; --i) ns.push_back(i * 1'000'000);
  const Latency latency = latency_of(ns);
  EXPECT_EQ(latency.p50, 50);
  EXPECT_EQ(latency.p95, 95);
  EXPECT_EQ(latency.p99, 99);
  EXPECT_EQ(latency.max, 100);
  EXPECT_EQ(latency.mean, 50.5);
  std::vector<int64_t> none;
  EXPECT_EQ(latency_of(none).count, 0);
}

// Answers requests on one connection after the other, each with the next of its answers.
class SmallServer {
 public:
  explicit SmallServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    TAMIS_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    TAMIS_CHECK(listen(listener_, 8) == 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~SmallServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  uint16_t port = 0;

 private:
  void serve() {
    size_t next = 0;
    for (int fd = 0; (fd = accept(listener_, nullptr, nullptr)) >= 0; close(fd)) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      char buffer[4096];
      while (recv(fd, buffer, sizeof(buffer), 0) > 0) {
        const std::string& answer = answers_[next++ % answers_.size()];
        // In two parts, as a slow server would.
        const size_t half = answer.size() / 2;
        send(fd, answer.data(), half, MSG_NOSIGNAL);
        send(fd, answer.data() + half, answer.size() - half, MSG_NOSIGNAL);
        if (answer.find("close") != answer.npos) break;
      }
    }
  }

  std::vector<std::string> answers_;
  int listener_ = -1;
  std::thread thread_;
};

LoadFigures load(const SmallServer& server, const LoadOptions& options) {
  PayloadOptions payload;
  payload.dialect = "get";
  Target target;
  target.port = server.port;
  const auto transport = make_http_transport(target, make_payloads({"x"}, payload));
  return run_load(*transport, options);
}

TEST(LoadHttp, CountsEveryAnswerByItsStatus) {
  const SmallServer server({"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                            "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"});
  LoadOptions options;
  options.warmup_ms = 0;
  options.requests = 300;
  options.duration_ms = 60'000;
  const LoadFigures figures = load(server, options);
  EXPECT_EQ(figures.statuses.at(200), 200);
  EXPECT_EQ(figures.statuses.at(429), 100);
  EXPECT_EQ(figures.statuses.size(), 2u);
  EXPECT_EQ(figures.success.count, 200);
  EXPECT_EQ(figures.refused.count, 100);
  EXPECT_EQ(figures.unanswered, 0);
}

TEST(LoadHttp, OpenLoopSendsAtItsRate) {
  const SmallServer server({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
  LoadOptions options;
  options.warmup_ms = 0;
  options.requests = 100;
  options.rate = 1000;
  options.duration_ms = 60'000;
  const LoadFigures figures = load(server, options);
  EXPECT_EQ(figures.statuses.at(200), 100);
  // The last is sent 99 intervals behind the first, never sooner.
  EXPECT_GE(figures.seconds, 0.099);
}

TEST(LoadHttp, NobodyListens) {
  uint16_t port = 0;
  { port = SmallServer({"x"}).port; }
  Target target;
  target.port = port;
  EXPECT_THROW((void)make_http_transport(target, {"x"}), Error);
}

}  // namespace
}  // namespace tamis::load
