#include <gtest/gtest.h>

#include <future>

#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

// One thread is theirs: whoever sends them takes no worker from others.
TEST(LongTexts, WaitForEachOtherAlone) {
  ServerOptions options = identity_options();
  options.tokenizer_threads = 1;
  const auto server = start(options);
  std::promise<void> go_on;
  server->core().long_texts().post([&] { go_on.get_future().wait(); });
  const auto body = [](size_t size) {
    return cat(R"({"truncate":true,"inputs":")", std::string(size, 'a'), R"("})");
  };
  TestClient long_texts(server->http_port());
  long_texts.send(TestClient::text("POST", "/embed", body(300 << 10)));
  while (server->core().long_texts().unfinished() != 2) std::this_thread::yield();
  for (const size_t size : {size_t{10}, size_t{10'000}, size_t{200} << 10}) {
    EXPECT_EQ(TestClient(server->http_port()).request("POST", "/embed", body(size)).status, 200);
  }
  go_on.set_value();
  EXPECT_EQ(long_texts.read().status, 200);
}

}  // namespace
}  // namespace tamis::serve
