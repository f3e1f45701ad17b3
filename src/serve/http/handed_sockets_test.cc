#include "serve/http/handed_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "serve/http/listen_socket.h"

namespace tamis::serve {
namespace {

// Descriptors and the environment belong to the whole process: each case has one of its own, which
// ends with what take_handed_sockets() found.
[[noreturn]] void say(const HandedSockets& handed) {
  std::string text;
  for (const int descriptor : handed.http) text += cat("http ", descriptor, " ");
  for (const int descriptor : handed.grpc) text += cat("grpc ", descriptor, " ");
  if (std::getenv("LISTEN_FDS") != nullptr) text += "LISTEN_FDS is still set";
  fprintf(stderr, "[%s]", text.c_str());
  std::_Exit(0);
}

// As systemd starts a service: sockets from 3 on, and what tells of them.
[[noreturn]] void take(const std::vector<int>& sockets, const char* names,
                       const std::string& process = std::to_string(getpid())) {
  for (size_t i = 0; i < sockets.size(); ++i) dup2(sockets[i], static_cast<int>(3 + i));
  setenv("LISTEN_PID", process.c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
  if (names != nullptr) setenv("LISTEN_FDNAMES", names, 1);
  try {
    say(take_handed_sockets());
  } catch (const Error& error) {
    fprintf(stderr, "%s", error.what());
    std::_Exit(1);
  }
}

class HandedSocketsTest : public ::testing::Test {
 protected:
  // Beyond those that a case takes.
  static int high(int descriptor) {
    const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 100);
    close(descriptor);
    return copy;
  }
  const int tcp_ = high(listen_on({}, "test").descriptors.front());
  const int silent_ = high(socket(AF_INET, SOCK_STREAM, 0));
};

TEST_F(HandedSocketsTest, AreToldApartByName) {
  EXPECT_EXIT(take({tcp_, tcp_, tcp_}, "web:grpc:"), ::testing::ExitedWithCode(0),
              R"(^\[http 3 http 5 grpc 4 \]$)");
  EXPECT_EXIT(take({tcp_}, nullptr), ::testing::ExitedWithCode(0), R"(^\[http 3 \]$)");
}

TEST_F(HandedSocketsTest, OfAnotherProcessAreLeft) {
  EXPECT_EXIT(take({tcp_}, "http", "1"), ::testing::ExitedWithCode(0), R"(^\[\]$)");
}

TEST_F(HandedSocketsTest, WhatDoesNotListenIsNamed) {
  EXPECT_EXIT(take({tcp_, silent_}, "http"), ::testing::ExitedWithCode(1),
              "descriptor 4 is no stream socket that listens");
}

}  // namespace
}  // namespace tamis::serve
