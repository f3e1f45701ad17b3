#include "serve/socket_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

namespace tamis::serve {

namespace {

// Descriptors that connections leave to the rest of the process: files of a model being loaded, a
// handful at a time.
constexpr int64_t kReserve = 64;
// Between two tries to accept when that fails for lack of memory.
constexpr int kRetryMs = 50;

class Address {
 public:
  Address(const std::string& host, uint16_t port) {
    addrinfo hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(host.c_str(), cat(int{port}).c_str(), &hints, &info_) != 0) {
      fail(ErrorCode::kInvalidArgument, "--host ", host, ": must be an IP address");
    }
  }
  ~Address() { freeaddrinfo(info_); }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;
  [[nodiscard]] const addrinfo& info() const { return *info_; }

 private:
  addrinfo* info_ = nullptr;
};

uint16_t bound_port(int descriptor) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

int open_spare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

SocketListener::SocketListener(const std::string& host, uint16_t port) {
  const Address address(host, port);
  const addrinfo& info = address.info();
  listener_ = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (listener_ < 0 || bind(listener_, info.ai_addr, info.ai_addrlen) != 0 ||
      listen(listener_, SOMAXCONN) != 0) {
    const std::string reason = strerror(errno);
    if (listener_ >= 0) close(listener_);
    fail(ErrorCode::kUnavailable, "gRPC cannot listen on ", host, ":", int{port}, ": ", reason);
  }
  port_ = bound_port(listener_);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  spare_ = open_spare();
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  most_ = static_cast<int64_t>(limit.rlim_cur) - kReserve;
}

SocketListener::~SocketListener() {
  stop();
  for (const int descriptor : {wake_, spare_}) {
    if (descriptor >= 0) close(descriptor);
  }
}

void SocketListener::start(std::function<void(int)> take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { work(); });
}

void SocketListener::stop() {
  if (thread_.joinable()) {
    eventfd_write(wake_, 1);
    thread_.join();
  }
  if (listener_ >= 0) close(listener_);
  listener_ = -1;
}

void SocketListener::work() {
  bool wait = false;
  for (;;) {
    pollfd polls[] = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    poll(polls, wait ? 1 : 2, wait ? kRetryMs : -1);
    if ((polls[0].revents & POLLIN) != 0) return;
    wait = !accept_one();
  }
}

bool SocketListener::accept_one() {
  const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) {
    if (errno == EMFILE || errno == ENFILE) return refuse_one();
    return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
  }
  // The system hands out the lowest number that is free.
  if (most_ > 0 && descriptor >= most_) {
    close(descriptor);
    return true;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  take_(descriptor);
  return true;
}

// With no descriptor left the connection would wait in the queue and be found there again at once.
bool SocketListener::refuse_one() {
  if (spare_ < 0) spare_ = open_spare();
  if (spare_ < 0) return false;
  close(spare_);
  const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor >= 0) close(descriptor);
  spare_ = open_spare();
  log(LogLevel::kWarning, "gRPC: no file descriptor is left for a connection");
  return descriptor >= 0;
}

}  // namespace tamis::serve
