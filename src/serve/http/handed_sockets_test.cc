#include "serve/http/handed_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "serve/http/listen_socket.h"

namespace tamis::serve {
namespace {

std::string spelled(const HandedSockets& handed) {
  std::string text;
  for (const int descriptor : handed.http) text += cat("http ", descriptor, " ");
  for (const int descriptor : handed.grpc) text += cat("grpc ", descriptor, " ");
  if (std::getenv("LISTEN_FDS") != nullptr) text += "LISTEN_FDS is still set";
  return text;
}

// As systemd starts a service: sockets from 3 on, and what tells of them. Never returns.
void be_service(const std::vector<int>& sockets, const char* names, pid_t process, int answer) {
  for (size_t i = 0; i < sockets.size(); ++i) dup2(sockets[i], static_cast<int>(3 + i));
  setenv("LISTEN_PID", std::to_string(process == 0 ? getpid() : process).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
  if (names != nullptr) setenv("LISTEN_FDNAMES", names, 1);
  std::string text;
  try {
    text = spelled(take_handed_sockets());
  } catch (const Error& error) {
    text = error.what();
  }
  const bool written = write(answer, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  _exit(written ? 0 : 1);
}

class HandedSocketsTest : public ::testing::Test {
 protected:
  // Beyond those that a case takes.
  static int high(int descriptor) {
    const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 100);
    close(descriptor);
    return copy;
  }
  // Descriptors and the environment belong to the whole process: each case has one of its own.
  // `process`: that the variables name; 0: it.
  static std::string take(const std::vector<int>& sockets, const char* names, pid_t process = 0) {
    int ends[2] = {};
    EXPECT_EQ(pipe(ends), 0);
    const int answer = high(ends[1]);
    const pid_t child = fork();
    if (child == 0) be_service(sockets, names, process, answer);
    close(answer);
    char text[512];
    ssize_t size = 0;
    for (ssize_t got = 0; (got = read(ends[0], text + size, sizeof(text) - size)) > 0;) size += got;
    close(ends[0]);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    return {text, static_cast<size_t>(size)};
  }
  const int tcp_ = high(listen_on({}, "test").descriptors.front());
  const int silent_ = high(socket(AF_INET, SOCK_STREAM, 0));
};

TEST_F(HandedSocketsTest, AreToldApartByName) {
  EXPECT_EQ(take({tcp_, tcp_, tcp_}, "web:grpc:"), "http 3 http 5 grpc 4 ");
  EXPECT_EQ(take({tcp_}, nullptr), "http 3 ");
}

TEST_F(HandedSocketsTest, OfAnotherProcessAreLeft) { EXPECT_EQ(take({tcp_}, "http", 1), ""); }

TEST_F(HandedSocketsTest, WhatDoesNotListenIsNamed) {
  EXPECT_NE(take({tcp_, silent_}, "http").find("descriptor 4 is no stream socket that listens"),
            std::string::npos);
}

TEST_F(HandedSocketsTest, SayWhetherOthersReachThem) {
  EXPECT_FALSE(is_open_to_others(tcp_));
  const int any = high(listen_on({"0.0.0.0", 0, "", {}}, "test").descriptors.front());
  EXPECT_TRUE(is_open_to_others(any));
  const int local = high(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_FALSE(is_open_to_others(local));
  close(any);
  close(local);
}

}  // namespace
}  // namespace tamis::serve
