#include "serve/http/handed_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tamis::serve {

namespace {

constexpr int kFirst = 3;
// systemd itself gives a service at most so many.
constexpr int kMost = 4096;

// Removed from the environment, so that no child takes them for its own.
std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

// -1: no number.
int64_t number(std::string_view text) {
  int64_t value = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? value : -1;
}

int option(int descriptor, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

void check(int descriptor, bool grpc) {
  const bool listens =
      option(descriptor, SO_TYPE) == SOCK_STREAM && option(descriptor, SO_ACCEPTCONN) == 1;
  const int family = option(descriptor, SO_DOMAIN);
  const bool tcp = family == AF_INET || family == AF_INET6;
  if (listens && (tcp || (family == AF_UNIX && !grpc))) return;
  fail(ErrorCode::kInvalidArgument, "LISTEN_FDS: descriptor ", descriptor, " is ",
       listens ? "no TCP socket, and gRPC takes no other" : "no stream socket that listens");
}

}  // namespace

bool is_open_to_others(int descriptor) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return true;
  if (address.ss_family == AF_INET) {
    const auto& own = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    return (ntohl(own.s_addr) >> 24) != IN_LOOPBACKNET;
  }
  return address.ss_family == AF_INET6 &&
         !IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

HandedSockets take_handed_sockets() {
  const std::string process = take_variable("LISTEN_PID");
  const std::string count_text = take_variable("LISTEN_FDS");
  std::string names = take_variable("LISTEN_FDNAMES");
  HandedSockets handed;
  if (number(process) != getpid()) return handed;
  const int64_t count = number(count_text);
  if (count < 0 || count > kMost) {
    fail(ErrorCode::kInvalidArgument, "LISTEN_FDS=", count_text, ": must lie in 0..", kMost);
  }
  for (int descriptor = kFirst; descriptor < kFirst + static_cast<int>(count); ++descriptor) {
    const size_t end = std::min(names.find(':'), names.size());
    const bool grpc = names.substr(0, end) == "grpc";
    names.erase(0, end + 1);
    check(descriptor, grpc);
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    (grpc ? handed.grpc : handed.http).push_back(descriptor);
  }
  return handed;
}

}  // namespace tamis::serve
