#include "serve/http/socket_listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>

namespace tamis::serve {
namespace {

/// A connection that has sent a byte; -1 if it could not.
int connection_to(uint16_t port) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience = {10, 0};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(client, "x", 1, MSG_NOSIGNAL) == 1) {
    return client;
  }
  ::close(client);
  return -1;
}

// Of one connection only: with a limit of one, a second is served once the first has gone.
TEST(SocketListener, AConnectionWhoseTakerThrowsIsClosed) {
  SocketListenerOptions options;
  options.max_connections = 1;
  SocketListener listener(options);
  std::atomic<int> taken = 0;
  listener.start([&taken](int descriptor) {
    if (++taken <= 2) throw std::bad_alloc();
    ::close(descriptor);
  });
  for (int i = 0; i < 3; ++i) {
    const int client = connection_to(listener.port());
    ASSERT_GE(client, 0);
    char answer = 0;
    // Closed with a byte unread: the end, or a reset.
    errno = 0;
    EXPECT_LE(::recv(client, &answer, 1, 0), 0);
    EXPECT_NE(errno, EAGAIN) << "the connection stayed open";
    ::close(client);
  }
  EXPECT_EQ(taken, 3);
  listener.stop();
}

}  // namespace
}  // namespace tamis::serve
