#include "serve/http/listen_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/http/http_host.h"

namespace tamis::serve {

namespace {

// A port that is free on one address may be taken on the next: so many others are tried.
constexpr int kPortTries = 16;

class Addresses {
 public:
  explicit Addresses(const std::string& host) {
    addrinfo hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    const std::string name(without_brackets(host));
    const int error = name.empty() ? EAI_NONAME : getaddrinfo(name.c_str(), "0", &hints, &first_);
    if (error != 0) {
      fail(ErrorCode::kInvalidArgument, "--host ", host, ": no such address (",
           std::string_view(gai_strerror(error)), "); an IP address or a name is taken");
    }
  }
  ~Addresses() { freeaddrinfo(first_); }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  [[nodiscard]] const addrinfo* first() const { return first_; }
  [[nodiscard]] bool several() const { return first_->ai_next != nullptr; }

 private:
  addrinfo* first_ = nullptr;
};

void set_port(sockaddr_storage& address, uint16_t port) {
  if (address.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(port);
  }
}

uint16_t bound_port(int descriptor) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  if (address.ss_family != AF_INET) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// -1 with errno.
int listen_at(const addrinfo& info, uint16_t port, bool only_ipv6) {
  const int descriptor = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  sockaddr_storage address = {};
  memcpy(&address, info.ai_addr, info.ai_addrlen);
  set_port(address, port);
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (info.ai_family == AF_INET6 && only_ipv6) {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), info.ai_addrlen) == 0 &&
      listen(descriptor, SOMAXCONN) == 0) {
    return descriptor;
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

// What this machine has no such address for, like IPv6 in many containers.
bool is_absent(int error) {
  return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENETUNREACH;
}

// Listens on all addresses; the error that keeps it from that, or 0.
int listen_on_all(const Addresses& addresses, uint16_t port, ListenSockets& sockets) {
  int absent = 0;
  sockets.port = port;
  for (const addrinfo* info = addresses.first(); info != nullptr; info = info->ai_next) {
    const int descriptor = listen_at(*info, sockets.port, addresses.several());
    if (descriptor >= 0) {
      sockets.descriptors.push_back(descriptor);
      sockets.port = bound_port(descriptor);
      continue;
    }
    const int error = errno;
    absent = error;
    if (is_absent(error)) continue;
    for (const int open : sockets.descriptors) close(open);
    sockets.descriptors.clear();
    return error;
  }
  return sockets.descriptors.empty() ? absent : 0;
}

// Whether nobody takes connections there any more; not where that cannot be told.
bool is_left_behind(const sockaddr_un& address) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const int done =
      connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const bool refused = done != 0 && errno == ECONNREFUSED;
  close(descriptor);
  return refused;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    fail(ErrorCode::kInvalidArgument, "--uds ", path, ": has ", path.size(),
         " bytes; a socket's path has at most ", sizeof(address.sun_path) - 1);
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// The file that lies there, unless it is a socket that its server left behind, which goes.
bool clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat state = {};
  if (lstat(path.c_str(), &state) != 0) return true;
  if (!S_ISSOCK(state.st_mode) || !is_left_behind(address)) return false;
  return unlink(path.c_str()) == 0 || errno == ENOENT;
}

ListenSockets listen_on_path(const std::string& path, std::string_view who) {
  const sockaddr_un address = unix_address(path);
  if (!clear_path(path, address)) {
    fail(ErrorCode::kUnavailable, who, " cannot listen on ", path,
         ": a server listens there, or the file is no socket");
  }
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct stat state = {};
  if (descriptor >= 0 &&
      bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(descriptor, SOMAXCONN) == 0 && lstat(path.c_str(), &state) == 0) {
    return {{descriptor}, 0, {path, state.st_dev, state.st_ino, state.st_mtim}};
  }
  const int error = errno;
  if (descriptor >= 0) close(descriptor);
  fail(ErrorCode::kUnavailable, who, " cannot listen on ", path, ": ",
       std::string_view(strerror(error)));
}

ListenSockets listen_on_host(const std::string& host, uint16_t port, std::string_view who) {
  const Addresses addresses(host);
  ListenSockets sockets;
  int error = 0;
  for (int tries = 0; tries < (port == 0 ? kPortTries : 1); ++tries) {
    error = listen_on_all(addresses, port, sockets);
    if (error == 0) return sockets;
  }
  fail(ErrorCode::kUnavailable, who, " cannot listen on ", host_in_url(host), ":", int{port}, ": ",
       std::string_view(strerror(error)));
}

}  // namespace

void SocketFile::remove() const noexcept {
  struct stat state = {};
  if (path.empty() || lstat(path.c_str(), &state) != 0) return;
  const bool same = state.st_dev == device && state.st_ino == inode &&
                    state.st_mtim.tv_sec == made_at.tv_sec &&
                    state.st_mtim.tv_nsec == made_at.tv_nsec;
  if (same) unlink(path.c_str());
}

ListenSockets listen_on(const ListenAddress& address, std::string_view who) {
  if (!address.descriptors.empty()) {
    return {address.descriptors, bound_port(address.descriptors.front()), {}};
  }
  if (!address.path.empty()) return listen_on_path(address.path, who);
  return listen_on_host(address.host, address.port, who);
}

}  // namespace tamis::serve
