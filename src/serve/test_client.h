// A small HTTP client on a socket, for tests: sends bytes as they are, reads one answer at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serve/http/http_message.h"

namespace tamis::serve {

struct TestAnswer {
  int status = 0;  ///< 0: the connection ended
  HttpHeaders headers;
  std::string body;

  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (equal_ignoring_case(key, name)) return value;
    }
    return "";
  }
};

/// A connection to this machine; reading waits at most 20 s.
class TestClient {
 public:
  explicit TestClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(&address, sizeof(address));
  }
  /// To a Unix domain socket.
  explicit TestClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connect(&address, sizeof(address));
  }
  ~TestClient() { close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int socket() const { return socket_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  /// The next answer; `head_only` for one to HEAD.
  [[nodiscard]] TestAnswer read(bool head_only = false) {
    TestAnswer answer;
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return answer;
    }
    const std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::atoi(head.c_str() + 9);
    size_t at = head.find("\r\n") + 2;
    while (at < head.size()) {
      const size_t line_end = head.find("\r\n", at);
      const size_t colon = head.find(": ", at);
      answer.headers.emplace_back(head.substr(at, colon - at),
                                  head.substr(colon + 2, line_end - colon - 2));
      at = line_end + 2;
    }
    const size_t length =
        head_only ? 0 : std::strtoul(answer.header("Content-Length").c_str(), nullptr, 10);
    while (buffer_.size() < length) {
      if (!receive()) return {};
    }
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
  }
  TestAnswer request(std::string_view method, std::string_view path, std::string_view body = "",
                     std::string_view headers = "") {
    send(text(method, path, body, headers));
    return read(method == "HEAD");
  }
  [[nodiscard]] static std::string text(std::string_view method, std::string_view path,
                                        std::string_view body = "", std::string_view headers = "") {
    std::string out = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\n";
    if (!headers.starts_with("Host: ")) out += "Host: localhost\r\n";
    out += headers;
    if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + std::string(body);
  }

 private:
  void connect(const void* address, socklen_t size) {
    connected_ = ::connect(socket_, static_cast<const sockaddr*>(address), size) == 0;
    const timeval limit = {20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  bool receive() {
    char bytes[65536];
    const ssize_t got = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int socket_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace tamis::serve
