#include <gtest/gtest.h>

#include <future>

#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

// What the client of a load waits for is neither in a queue nor, once it has gone, a connection.
TEST(ServerDrain, WaitsForModelsThatAreLoadedAsLongAsItMay) {
  ServerOptions options = identity_options();
  options.drain_timeout_ms = 50;
  const auto server = start(options);
  std::promise<void> go_on;
  server->core().loader().post([&] { go_on.get_future().wait(); });
  EXPECT_FALSE(server->drain());
  go_on.set_value();
  while (server->core().loader().unfinished() != 0) std::this_thread::yield();
  EXPECT_TRUE(server->drain());
}

// A connection that waits in the listener's queue is one of those that are answered.
TEST(ServerDrain, EndsWhenNobodyIsListenedToAnyMore) {
  for (int i = 0; i < 50; ++i) {
    const auto server = start(identity_options());
    EXPECT_TRUE(server->drain());
    EXPECT_FALSE(TestClient(server->http_port()).connected());
  }
}

}  // namespace
}  // namespace tamis::serve
