// HTTP/1.1 on a socket: connections, limits, keep-alive, pipelining.
//
// Is: bytes to HttpExchange and back, on one thread of its own. Is not: routes. May use:
// http_message, http_connection, listen_socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "serve/batching/byte_budget.h"
#include "serve/core/http_counts.h"
#include "serve/http/http_head.h"
#include "serve/http/http_message.h"
#include "serve/http/listen_socket.h"

namespace tamis::serve {

struct HttpServerOptions {
  ListenAddress address;
  size_t max_body_bytes = size_t{16} << 20;
  size_t max_header_bytes = size_t{16} << 10;  ///< of a head; of a body's trailers; of extensions
  /// Of bodies over all connections, and as many of answers that are not sent yet.
  size_t max_held_bytes = size_t{512} << 20;
  /// Requests of one connection that wait for answers; more are read once these are answered.
  size_t max_pipelined = 16;
  /// Open at once, whatever they do. For one more the longest idle is closed, else the one whose
  /// request is the longest unfinished, else the new one.
  size_t max_connections = 16384;
  int64_t idle_timeout_ns = 75'000'000'000;     ///< between requests
  int64_t header_timeout_ns = 10'000'000'000;   ///< from a request's first byte to its body
  int64_t request_timeout_ns = 30'000'000'000;  ///< from a request's first byte to its last
  int64_t write_timeout_ns = 60'000'000'000;    ///< for an answer to be taken
  std::string tls_certificate;                  ///< PEM file; empty: no TLS
  std::string tls_key;
  /// Whether the body of a request that begins so is taken, if it is long; else the request is
  /// refused with 401 before that is held. Null: of every one. On the server's thread; must not
  /// block.
  std::function<bool(const HttpHead& head)> takes_body;
  /// The answer to a request that is refused before it is whole: the path is percent-decoded as far
  /// as it can be, and empty where it is not known.
  std::function<HttpResponse(const HttpRequest&, const HttpRefusal&)> refuse;
  /// Called once bodies that took so much memory are gone; must not block.
  std::function<void(int64_t bytes)> freed;
  const Clock* clock = &Clock::steady();
};

/// Calls back on the server's thread; must not block.
using HttpHandler = std::function<void(const HttpExchangePtr&)>;

/// Thread-safe.
class HttpServer {
 public:
  /// Listens. Throws Error: kInvalidArgument (an address or certificate that is none), kUnavailable
  /// (the port is in use or forbidden).
  HttpServer(HttpServerOptions options, HttpHandler handler);
  /// Closes what is open and joins the thread.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Starts answering.
  void start();
  /// 0: it listens on a path.
  [[nodiscard]] uint16_t port() const;
  /// Begins to stop listening, to close idle connections and to let the others end after the
  /// answers they wait for; is_drained() says when.
  void drain();
  /// Listens no more, and has no connection.
  [[nodiscard]] bool is_drained() const;
  /// Ends the thread; what is answered from now on goes nowhere.
  void stop();
  [[nodiscard]] HttpServerCounts counts() const;
  /// What bodies are charged to.
  [[nodiscard]] ByteBudget& budget();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::serve
