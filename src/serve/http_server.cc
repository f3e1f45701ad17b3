#include "serve/http_server.h"

#include <openssl/ssl.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "serve/http_hub.h"
#include "serve/listen_socket.h"

namespace tamis::serve {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

namespace {

// Between two looks at the time of all connections: one timer costs less than one for each.
constexpr std::chrono::milliseconds kTick{100};
// Between two tries to accept when no descriptor is left.
constexpr std::chrono::milliseconds kAcceptAgain{20};
// Bodies that held so much leave memory to give back.
constexpr size_t kTrimBytes = size_t{32} << 20;
// Ticks that idle connections are kept while draining: who has just been answered asks again, and
// is told in the answer that it was the last.
constexpr int kDrainTicks = 2;

HttpResponse plain_refusal(const HttpRequest&, const HttpRefusal& refusal) {
  HttpResponse response;
  response.status = refusal.status;
  response.content_type = "text/plain";
  response.body = refusal.reason;
  return response;
}

// Forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

void set_up_tls(HttpHub& hub) {
  const HttpServerOptions& options = hub.options;
  net::ssl::context& tls = hub.tls.emplace(net::ssl::context::tls_server);
  error_code error;
  tls.set_options(net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 |
                  SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (SSL_CTX_set_cipher_list(tls.native_handle(), kCiphers) != 1) {
    fail(ErrorCode::kInternal, "OpenSSL knows none of ", std::string_view(kCiphers));
  }
  tls.use_certificate_chain_file(options.tls_certificate, error);
  if (error) fail(ErrorCode::kInvalidArgument, options.tls_certificate, ": ", error.message());
  tls.use_private_key_file(options.tls_key, net::ssl::context::pem, error);
  if (error) fail(ErrorCode::kInvalidArgument, options.tls_key, ": ", error.message());
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions options, HttpHandler handler)
      : hub(std::move(options), std::move(handler)), sweep_timer(hub.io) {
    if (!hub.options.refuse) hub.options.refuse = plain_refusal;
  }

  void listen() {
    if (!hub.options.tls_certificate.empty()) set_up_tls(hub);
    const ListenSockets sockets = listen_on(hub.options.host, hub.options.port, "HTTP");
    port = sockets.port;
    for (const int descriptor : sockets.descriptors) {
      sockaddr_storage address = {};
      socklen_t size = sizeof(address);
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
      const tcp protocol = address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
      acceptors.emplace_back(hub.io, protocol, descriptor);
    }
  }

  void accept(tcp::acceptor& acceptor) {
    acceptor.async_accept([this, &acceptor](error_code error, tcp::socket socket) {
      if (error == net::error::operation_aborted || !acceptor.is_open()) return;
      if (error) return accept_later(acceptor);
      welcome(std::move(socket));
      accept(acceptor);
    });
  }

  // No file descriptors are left: another connection makes room.
  void accept_later(tcp::acceptor& acceptor) {
    hub.make_room();
    const auto timer = std::make_shared<net::steady_timer>(hub.io, kAcceptAgain);
    timer->async_wait([this, timer, &acceptor](error_code error) {
      if (!error && acceptor.is_open()) accept(acceptor);
    });
  }

  // A socket that is not taken closes itself.
  void welcome(tcp::socket socket) {
    try {
      if (hub.connections() >= hub.options.max_connections && !hub.make_room()) return;
      error_code error;
      socket.set_option(tcp::no_delay(true), error);
      const tcp::endpoint peer = socket.remote_endpoint(error);
      if (error) return;
      const auto connection = make_http_connection(hub, std::move(socket), peer);
      hub.add(connection);
      connection->start();
    } catch (const std::exception& error) {
      log(LogLevel::kError, cat("a connection was refused: ", error.what()));
    }
  }

  void sweep() {
    sweep_timer.expires_after(kTick);
    sweep_timer.async_wait([this](error_code error) {
      if (error) return;
      for (const auto& connection : all()) {
        if (connection->tick(hub.options.clock->now_ns())) hub.timed_out.fetch_add(1);
      }
      if (hub.draining && ++drain_ticks >= kDrainTicks) close_silent();
      give_memory_back();
      sweep();
    });
  }

  // A copy: a connection that is closed leaves its list.
  [[nodiscard]] std::vector<std::shared_ptr<HttpConnection>> all() const {
    std::vector<std::shared_ptr<HttpConnection>> connections;
    connections.reserve(hub.connections());
    for (const auto& list : hub.lists) {
      connections.insert(connections.end(), list.begin(), list.end());
    }
    return connections;
  }

  void give_memory_back() {
    if (hub.budget.held() > kTrimBytes / 4) return;
    const size_t peak = hub.budget.take_peak();
    if (peak >= kTrimBytes && hub.options.freed) hub.options.freed(static_cast<int64_t>(peak));
  }

  // Takes what waits to be accepted, too: its requests may be in its socket.
  void drain() {
    if (std::exchange(hub.draining, true)) return;
    for (tcp::acceptor& acceptor : acceptors) {
      error_code error;
      acceptor.non_blocking(true, error);
      for (;;) {
        tcp::socket socket(hub.io);
        acceptor.accept(socket, error);
        if (error) break;
        welcome(std::move(socket));
      }
      acceptor.close(error);
    }
  }

  void close_silent() {
    for (const auto& connection : all()) connection->close_if_silent();
  }

  HttpHub hub;
  std::list<tcp::acceptor> acceptors;
  net::steady_timer sweep_timer;
  uint16_t port = 0;
  int drain_ticks = 0;
  std::thread thread;
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {
  impl_->listen();
}

void HttpServer::stop() {
  impl_->hub.io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

HttpServer::~HttpServer() {
  stop();
  for (const auto& connection : impl_->all()) connection->close();
}

void HttpServer::start() {
  for (tcp::acceptor& acceptor : impl_->acceptors) impl_->accept(acceptor);
  impl_->sweep();
  impl_->thread = std::thread([hub = &impl_->hub] {
    for (;;) {
      try {
        hub->io.run();
        return;
      } catch (const std::exception& error) {
        log(LogLevel::kError, cat("HTTP: ", error.what()));
      }
    }
  });
}

uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::drain() {
  net::post(impl_->hub.io, [this] { impl_->drain(); });
}

HttpServerCounts HttpServer::counts() const {
  const HttpHub& hub = impl_->hub;
  return {hub.open.load(), hub.accepted.load(), hub.timed_out.load()};
}

ByteBudget& HttpServer::budget() { return impl_->hub.budget; }

}  // namespace tamis::serve
