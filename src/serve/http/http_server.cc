#include "serve/http/http_server.h"

#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <list>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "serve/http/http_hub.h"

namespace tamis::serve {

namespace net = boost::asio;
using boost::system::error_code;
using Stream = net::generic::stream_protocol;

namespace {

// Between two looks at the time of all connections: one timer costs less than one for each.
constexpr std::chrono::milliseconds kTick{100};
// Before what broke for lack of memory is tried again.
constexpr std::chrono::milliseconds kBrokenPause{1};
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
  // OpenSSL would ask the terminal for the password of a key.
  tls.set_password_callback([](size_t, net::ssl::context::password_purpose) { return ""; }, error);
  tls.use_certificate_chain_file(options.tls_certificate, error);
  if (error) fail(ErrorCode::kInvalidArgument, options.tls_certificate, ": ", error.message());
  tls.use_private_key_file(options.tls_key, net::ssl::context::pem, error);
  if (error) fail(ErrorCode::kInvalidArgument, options.tls_key, ": ", error.message());
  // A key of another kind than the certificate's is taken until then.
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    fail(ErrorCode::kInvalidArgument, options.tls_key, ": is not the key of ",
         options.tls_certificate);
  }
}

// Counts the handlers of a chain that wait, also where one is dropped uncalled: asio does so when
// it has no memory for a new socket.
class Link {
 public:
  explicit Link(int& waiting) : waiting_(&waiting) { ++*waiting_; }
  Link(Link&& other) noexcept : waiting_(std::exchange(other.waiting_, nullptr)) {}
  Link& operator=(Link&&) = delete;
  ~Link() {
    if (waiting_ != nullptr) --*waiting_;
  }

 private:
  int* waiting_;
};

using Acceptor = net::basic_socket_acceptor<Stream>;

struct Listener {
  Acceptor acceptor;
  int& waiting;
};

HttpPeer peer_of(const Stream::endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  if (family != AF_INET && family != AF_INET6) return {"unix", true};
  net::ip::tcp::endpoint peer(family == AF_INET ? net::ip::tcp::v4() : net::ip::tcp::v6(), 0);
  std::memcpy(peer.data(), endpoint.data(), peer.size());
  return {cat(peer.address().to_string(), ":", static_cast<int64_t>(peer.port())),
          peer.address().is_loopback()};
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions options, HttpHandler handler)
      : hub(std::move(options), std::move(handler)), sweep_timer(hub.io) {
    if (!hub.options.refuse) hub.options.refuse = plain_refusal;
  }

  void listen() {
    if (!hub.options.tls_certificate.empty()) set_up_tls(hub);
    ListenSockets sockets = listen_on(hub.options.address, "HTTP");
    port = sockets.port;
    file = std::move(sockets.file);
    for (const int descriptor : sockets.descriptors) {
      sockaddr_storage address = {};
      socklen_t size = sizeof(address);
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
      listeners.push_back(
          {Acceptor(hub.io, Stream(address.ss_family, 0), descriptor), waiting.emplace_back(0)});
    }
  }

  void accept(Listener& listener) {
    listener.acceptor.async_accept(
        [this, &listener, link = Link(listener.waiting)](error_code error, HttpSocket socket) {
          // Also one that was accepted just before a drain closed the listener.
          if (!error) welcome(std::move(socket));
          if (error == net::error::operation_aborted || !listener.acceptor.is_open()) return;
          if (error) return accept_later(listener);
          accept(listener);
        });
  }

  // No file descriptors are left: another connection makes room.
  void accept_later(Listener& listener) {
    hub.make_room();
    const auto timer = std::make_shared<net::steady_timer>(hub.io, kAcceptAgain);
    timer->async_wait([this, timer, &listener, link = Link(listener.waiting)](error_code error) {
      if (!error && listener.acceptor.is_open()) accept(listener);
    });
  }

  // A socket that is not taken closes itself.
  void welcome(HttpSocket socket) noexcept {
    try {
      if (hub.connections() >= hub.options.max_connections && !hub.make_room()) return;
      error_code error;
      socket.set_option(net::ip::tcp::no_delay(true), error);  // a Unix domain socket has none
      const Stream::endpoint peer = socket.remote_endpoint(error);
      if (error) return;
      const auto connection = make_http_connection(hub, std::move(socket), peer_of(peer));
      hub.add(connection);
      connection->start();
    } catch (...) {
      log_current("a connection was refused: ");
    }
  }

  void sweep() {
    sweep_timer.expires_after(kTick);
    sweep_timer.async_wait([this, link = Link(sweeps)](error_code error) {
      if (error) return;
      close_slow();
      if (hub.draining && ++drain_ticks >= kDrainTicks) close_silent();
      give_memory_back();
      sweep();
    });
  }

  void close_slow() noexcept {
    const int64_t now = hub.options.clock->now_ns();
    for_each([&](HttpConnection& connection) {
      if (connection.tick(now)) hub.timed_out.fetch_add(1);
    });
  }

  // `visit` may close or move the connection it is given, and needs no memory from here.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& list : hub.lists) {
      for (auto at = list.begin(); at != list.end();) {
        const std::shared_ptr<HttpConnection> connection = *at++;
        visit(*connection);
      }
    }
  }

  // Handlers close their own connections where memory fails; the chains that all share are begun
  // again where they broke.
  void run() noexcept {
    for (;;) {
      try {
        for (Listener& listener : listeners) {
          if (listener.waiting == 0 && listener.acceptor.is_open()) accept(listener);
        }
        if (sweeps == 0) sweep();
        hub.io.run();
        return;
      } catch (...) {
        log_current("HTTP: ");
        close_slow();
        std::this_thread::sleep_for(kBrokenPause);
      }
    }
  }

  void give_memory_back() {
    if (hub.budget.held() > kTrimBytes / 4) return;
    const size_t peak = hub.budget.take_peak();
    if (peak >= kTrimBytes && hub.options.freed) hub.options.freed(static_cast<int64_t>(peak));
  }

  // Takes what waits to be accepted, too: its requests may be in its socket.
  void drain() {
    if (std::exchange(hub.draining, true)) return;
    for (Listener& listener : listeners) {
      error_code error;
      try {
        accept_waiting(listener.acceptor);
      } catch (...) {
        log_current("HTTP, while draining: ");
      }
      listener.acceptor.close(error);
    }
    file.remove();
    listening.store(false);
  }

  void accept_waiting(Acceptor& acceptor) {
    error_code error;
    acceptor.non_blocking(true, error);
    for (;;) {
      HttpSocket socket(hub.io);
      acceptor.accept(socket, error);
      if (error) return;
      welcome(std::move(socket));
    }
  }

  void close_silent() {
    for_each([](HttpConnection& connection) { connection.close_if_silent(); });
  }

  // Handlers that still wait when the hub goes count down.
  std::list<int> waiting;
  int sweeps = 0;

  HttpHub hub;
  std::list<Listener> listeners;
  net::steady_timer sweep_timer;
  uint16_t port = 0;
  SocketFile file;
  int drain_ticks = 0;
  std::atomic<bool> listening{true};  // until the end of drain()
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
  impl_->file.remove();
  impl_->for_each([](HttpConnection& connection) { connection.close(); });
}

void HttpServer::start() {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
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

bool HttpServer::is_drained() const {
  return !impl_->listening.load() && impl_->hub.open.load() == 0;
}

}  // namespace tamis::serve
