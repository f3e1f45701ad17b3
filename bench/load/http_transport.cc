#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <charconv>
#include <chrono>
#include <string_view>

#include "base/error.h"
#include "load/transport.h"

namespace tamis::load {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

bool starts_with_word(std::string_view line, std::string_view lower) {
  if (line.size() < lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    const char c = line[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

// The head of a response, as far as the length of its body and the life of the connection go.
struct Head {
  int status = -1;
  size_t bytes = 0;  // of the head
  size_t body_bytes = 0;
  bool close = false;
};

// False: the head is not complete. A head that cannot be read has status -1.
bool read_head(std::string_view in, Head& head) {
  const size_t end = in.find("\r\n\r\n");
  if (end == in.npos) return false;
  head.bytes = end + 4;
  size_t line_begin = 0;
  bool has_length = false;
  while (line_begin < end) {
    const size_t line_end = std::min(in.find("\r\n", line_begin), end);
    const std::string_view line = in.substr(line_begin, line_end - line_begin);
    if (line_begin == 0 && line.size() >= 12) {
      std::from_chars(line.data() + 9, line.data() + 12, head.status);
    } else if (starts_with_word(line, "content-length:")) {
      const size_t digit = line.find_first_of("0123456789");
      if (digit == line.npos) break;
      std::from_chars(line.data() + digit, line.data() + line.size(), head.body_bytes);
      has_length = true;
    } else if (starts_with_word(line, "connection: close")) {
      head.close = true;
    }
    line_begin = line_end + 2;
  }
  // Without a length the body could not be told from the next answer.
  if (!has_length && head.status != 204) head.status = -1;
  return true;
}

class HttpTransport final : public Transport {
 public:
  HttpTransport(const Target& target, std::vector<std::string> payloads)
      : payloads_(std::move(payloads)), connections_(target.slots) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(target.port);
    if (inet_pton(AF_INET, target.host.c_str(), &address_.sin_addr) != 1) {
      fail(ErrorCode::kInvalidArgument, target.host, ": must be an IPv4 address");
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail(ErrorCode::kUnavailable, "epoll: ", strerror(errno));
    for (size_t slot = 0; slot < connections_.size(); ++slot) {
      if (open(slot)) continue;
      fail(ErrorCode::kUnavailable, target.host, ":", static_cast<int>(target.port),
           ": connection ", slot, ": ", strerror(errno));
    }
  }

  ~HttpTransport() override {
    for (size_t slot = 0; slot < connections_.size(); ++slot) close_slot(slot);
    ::close(epoll_);
  }

  void send(size_t slot, size_t payload) override {
    Connection& connection = connections_[slot];
    connection.out = payloads_[payload];
    connection.in.clear();
    connection.waiting = true;
    if (connection.fd < 0 && !open(slot)) {
      broken_.push_back(slot);
      return;
    }
    write_some(slot);
  }

  void poll(int64_t until_ns, std::vector<Completion>& completions) override {
    for (const size_t slot : broken_) finish(slot, -1, 0, completions);
    broken_.clear();
    const int64_t left = completions.empty() ? std::max<int64_t>(0, until_ns - now_ns()) : 0;
    const timespec timeout = {left / 1'000'000'000, left % 1'000'000'000};
    epoll_event events[128];
    const int count = epoll_pwait2(epoll_, events, 128, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const size_t slot = events[i].data.u64;
      if ((events[i].events & EPOLLOUT) != 0 && !connections_[slot].out.empty()) write_some(slot);
      if ((events[i].events & ~EPOLLOUT) != 0) read_some(slot, completions);
    }
  }

  bool is_success(int status) const override { return status >= 200 && status < 300; }
  bool is_refusal(int status) const override { return status == 429 || status == 503; }

 private:
  struct Connection {
    int fd = -1;
    std::string_view out;  ///< what is still to be written
    std::string in;
    bool waiting = false;
    bool watches_write = false;
  };

  bool open(size_t slot) {
    Connection& connection = connections_[slot];
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) return false;
    const int on = 1;
    const timeval patience = {5, 0};
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(connection.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) !=
        0) {
      const int reason = errno;
      ::close(connection.fd);
      connection.fd = -1;
      errno = reason;
      return false;
    }
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = slot;
    connection.watches_write = false;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) == 0;
  }

  void close_slot(size_t slot) {
    if (connections_[slot].fd >= 0) ::close(connections_[slot].fd);
    connections_[slot].fd = -1;
  }

  void watch_write(size_t slot, bool wanted) {
    Connection& connection = connections_[slot];
    if (connection.watches_write == wanted) return;
    connection.watches_write = wanted;
    epoll_event event = {};
    event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = slot;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void write_some(size_t slot) {
    Connection& connection = connections_[slot];
    while (!connection.out.empty()) {
      const ssize_t sent = ::send(connection.fd, connection.out.data(), connection.out.size(),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) {
        // A broken connection is heard of again when it is read.
        if (errno != EAGAIN && errno != EINTR) connection.out = {};
        break;
      }
      connection.out.remove_prefix(static_cast<size_t>(sent));
    }
    watch_write(slot, !connection.out.empty());
  }

  void finish(size_t slot, int status, size_t bytes, std::vector<Completion>& completions) {
    if (!connections_[slot].waiting) return;
    connections_[slot].waiting = false;
    completions.push_back({slot, status, bytes});
  }

  void read_some(size_t slot, std::vector<Completion>& completions) {
    Connection& connection = connections_[slot];
    const ssize_t got = recv(connection.fd, buffer_, sizeof(buffer_), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      close_slot(slot);
      finish(slot, -1, 0, completions);
      return;
    }
    connection.in.append(buffer_, static_cast<size_t>(got));
    Head head;
    if (!read_head(connection.in, head)) return;
    if (head.status < 0 || head.close) {
      const size_t whole = head.bytes + head.body_bytes;
      if (head.status >= 0 && connection.in.size() < whole) return;
      close_slot(slot);
      finish(slot, head.status, connection.in.size(), completions);
      return;
    }
    if (connection.in.size() < head.bytes + head.body_bytes) return;
    const size_t bytes = connection.in.size();
    connection.in.clear();
    finish(slot, head.status, bytes, completions);
  }

  std::vector<std::string> payloads_;
  std::vector<Connection> connections_;
  std::vector<size_t> broken_;
  sockaddr_in address_ = {};
  int epoll_ = -1;
  char buffer_[kReadBytes];
};

}  // namespace

std::unique_ptr<Transport> make_http_transport(const Target& target,
                                               std::vector<std::string> payloads) {
  return std::make_unique<HttpTransport>(target, std::move(payloads));
}

}  // namespace tamis::load
