#include "serve/http_server.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <thread>
#include <unordered_set>

#include "base/error.h"
#include "base/log.h"

namespace tamis::serve {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = net::ip::tcp;

namespace {

class ConnectionBase;

// Runs tasks on the server's thread.
class IoExecutor final : public Executor {
 public:
  explicit IoExecutor(net::io_context& io) : io_(io) {}
  void post(std::function<void()> task) override { net::post(io_, std::move(task)); }

 private:
  net::io_context& io_;
};

// What the connections share. The server's thread alone touches it, but for the counts.
struct Hub {
  explicit Hub(HttpServerOptions all, HttpHandler call)
      : options(std::move(all)), handler(std::move(call)), executor(io) {}

  HttpServerOptions options;
  HttpHandler handler;
  net::io_context io{1};
  IoExecutor executor;
  std::unordered_set<std::shared_ptr<ConnectionBase>> connections;
  uint64_t next_connection = 1;
  bool draining = false;
  std::atomic<int64_t> open{0};
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> timed_out{0};
};

class Exchange final : public HttpExchange {
 public:
  Exchange(Hub& hub, std::weak_ptr<ConnectionBase> connection)
      : hub_(hub), connection_(std::move(connection)) {}

  void respond(HttpResponse response) override;
  Executor& executor() override { return hub_.executor; }

 private:
  template <typename Stream>
  friend class Connection;

  Hub& hub_;
  std::weak_ptr<ConnectionBase> connection_;
  std::optional<HttpResponse> response_;
  bool keep_alive_ = true;
};

class ConnectionBase : public std::enable_shared_from_this<ConnectionBase> {
 public:
  virtual ~ConnectionBase() = default;
  virtual void start() = 0;
  virtual void flush() = 0;
  virtual void close() = 0;
  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] bool expired(int64_t now_ns) const {
    return deadline_ns_ != 0 && now_ns >= deadline_ns_;
  }

 protected:
  int64_t deadline_ns_ = 0;  ///< when it is closed for being slow; 0: it waits for us
  bool idle_ = true;         ///< no request begun or unanswered
};

void Exchange::respond(HttpResponse response) {
  net::dispatch(hub_.io, [connection = connection_, response = std::move(response),
                          self = shared_from_this()]() mutable {
    auto& exchange = static_cast<Exchange&>(*self);
    if (exchange.response_) return;
    exchange.response_ = std::move(response);
    if (const auto open = connection.lock()) open->flush();
  });
}

template <typename Stream>
class Connection final : public ConnectionBase {
 public:
  Connection(Hub& hub, Stream stream, tcp::endpoint peer)
      : hub_(hub),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        peer_text_(cat(peer_.address().to_string(), ":", static_cast<int64_t>(peer_.port()))),
        id_(hub.next_connection++) {}

  void start() override {
    wait_until(hub_.options.request_timeout_ns);
    if constexpr (!std::is_same_v<Stream, tcp::socket>) {
      stream_.async_handshake(net::ssl::stream_base::server,
                              [this, self = shared_from_this()](error_code error) {
                                if (error) return close();
                                begin();
                              });
    } else {
      begin();
    }
  }

  void close() override {
    if (closed_) return;
    closed_ = true;
    for (const auto& exchange : pending_) exchange->cancelled_->store(true);
    pending_.clear();
    error_code ignored;
    stream_.lowest_layer().close(ignored);
    hub_.open.fetch_sub(1);
    hub_.connections.erase(shared_from_this());
  }

  void flush() override {
    if (closed_ || writing_) return;
    out_.clear();
    bool last = false;
    while (!pending_.empty() && pending_.front()->response_ && !last) {
      Exchange& exchange = *pending_.front();
      last = !exchange.keep_alive_ || hub_.draining;
      append(*exchange.response_, !last, exchange.request().method == "HEAD");
      pending_.pop_front();
    }
    if (out_.empty()) return;
    writing_ = true;
    wait_until(hub_.options.write_timeout_ns);
    buffers_.clear();
    for (const std::string& part : out_) buffers_.push_back(net::buffer(part));
    net::async_write(stream_, buffers_,
                     [this, self = shared_from_this(), last](error_code error, size_t) {
                       writing_ = false;
                       if (closed_) return;
                       if (refused_ && !error) return say_goodbye();
                       if (error || last) return close();
                       after_write();
                     });
  }

 private:
  // What is still on its way would make the system drop the answer: it is read, and thrown away.
  void say_goodbye() {
    constexpr int64_t kLingerNs = 2'000'000'000;
    error_code ignored;
    stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
    wait_until(kLingerNs);
  }

  // Bodies of this size are copied behind their heads: one buffer costs less than two.
  static constexpr size_t kJoinBytes = 16384;
  // Read at once; what a header or a small request needs.
  static constexpr size_t kReadBytes = 16384;

  void wait_until(int64_t timeout_ns) {
    deadline_ns_ = timeout_ns == 0 ? 0 : hub_.options.clock->now_ns() + timeout_ns;
  }

  void begin() {
    next_parser();
    read();
  }

  void next_parser() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(hub_.options.max_header_bytes));
    parser_->body_limit(hub_.options.max_body_bytes);
    parser_->eager(true);
    continued_ = false;
  }

  void append(HttpResponse& response, bool keep_alive, bool head_only) {
    out_.push_back(response_head(response, keep_alive));
    if (head_only || response.body.empty()) return;
    if (response.body.size() <= kJoinBytes) {
      out_.back() += response.body;
    } else {
      out_.push_back(std::move(response.body));
    }
  }

  void after_write() {
    flush();
    if (!reading_ && !refused_) parse();
    update_idle();
  }

  void update_idle() {
    const bool begun = buffer_.size() > 0 || parser_->got_some();
    idle_ = pending_.empty() && !begun && !writing_;
    if (idle_) {
      if (hub_.draining) return close();
      wait_until(hub_.options.idle_timeout_ns);
    } else if (!pending_.empty() && !writing_ && !begun) {
      wait_until(0);
    }
  }

  void read() {
    if (closed_ || reading_) return;
    reading_ = true;
    update_idle();
    if (closed_) return;
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [this, self = shared_from_this()](error_code error, size_t bytes) {
                              reading_ = false;
                              if (closed_) return;
                              // A client that has said goodbye waits for no answer.
                              if (error) return close();
                              if (refused_ || last_) return read();
                              if (buffer_.size() == 0 && !parser_->got_some()) {
                                wait_until(hub_.options.request_timeout_ns);
                              }
                              buffer_.commit(bytes);
                              parse();
                            });
  }

  // Takes requests out of the buffer while there are whole ones.
  void parse() {
    while (!closed_ && !refused_ && !last_) {
      if (pending_.size() >= hub_.options.max_pipelined) return;
      if (buffer_.size() == 0) break;
      error_code error;
      buffer_.consume(parser_->put(buffer_.data(), error));
      if (error == http::error::need_more) error = {};
      if (error) return refuse(error);
      if (!parser_->is_done()) {
        if (parser_->is_header_done()) say_continue();
        break;
      }
      dispatch();
      if (closed_) return;
      next_parser();
    }
    read();
  }

  // A client that asks before it sends a body waits a second for the answer.
  void say_continue() {
    if (continued_ || writing_ || !pending_.empty()) return;
    continued_ = true;
    const auto expect = parser_->get()[http::field::expect];
    if (!equal_ignoring_case({expect.data(), expect.size()}, "100-continue")) return;
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    writing_ = true;
    net::async_write(stream_, net::buffer(kContinue.data(), kContinue.size()),
                     [this, self = shared_from_this()](error_code error, size_t) {
                       writing_ = false;
                       if (closed_) return;
                       if (error) return close();
                       flush();
                     });
  }

  void refuse(error_code error) {
    refused_ = true;
    HttpResponse response;
    std::string_view text = "malformed HTTP request";
    response.status = 400;
    if (error == http::error::body_limit) {
      response.status = 413;
      text = "the request's body is larger than this server takes";
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response.status = 431;
      text = "the request's headers are larger than this server takes";
    }
    response.body = cat("{\"error\":\"", text, "\",\"error_type\":\"Validation\"}");
    const auto exchange = std::make_shared<Exchange>(hub_, weak_from_this());
    exchange->keep_alive_ = false;
    exchange->response_ = std::move(response);
    pending_.push_back(exchange);
    flush();
    read();
  }

  void dispatch() {
    const auto exchange = std::make_shared<Exchange>(hub_, weak_from_this());
    auto message = parser_->release();
    HttpRequest& request = exchange->request();
    request.method.assign(message.method_string().data(), message.method_string().size());
    const std::string_view target(message.target().data(), message.target().size());
    const size_t mark = target.find('?');
    const bool decoded = percent_decode(target.substr(0, mark), request.path);
    if (mark != target.npos) request.query = target.substr(mark + 1);
    for (const auto& field : message) {
      request.headers.emplace_back(
          std::string(field.name_string().data(), field.name_string().size()),
          std::string(field.value().data(), field.value().size()));
    }
    request.body = std::move(message.body());
    request.remote = peer_text_;
    request.loopback = peer_.address().is_loopback();
    request.connection = id_;
    request.arrived_ns = hub_.options.clock->now_ns();
    exchange->keep_alive_ = message.keep_alive();
    last_ = !exchange->keep_alive_;
    pending_.push_back(exchange);
    idle_ = false;
    wait_until(0);
    if (!decoded) {
      exchange->respond({400, "application/json", {}, R"({"error":"malformed percent-encoding"})"});
      return;
    }
    try {
      hub_.handler(exchange);
    } catch (const std::exception& error) {
      log(LogLevel::kError, cat(request.path, ": ", error.what()));
      exchange->respond({500, "application/json", {}, R"({"error":"internal error"})"});
    }
  }

  Hub& hub_;
  Stream stream_;
  tcp::endpoint peer_;
  std::string peer_text_;
  uint64_t id_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::deque<std::shared_ptr<Exchange>> pending_;  // in order of arrival
  std::deque<std::string> out_;
  std::vector<net::const_buffer> buffers_;
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
  bool refused_ = false;    // bytes that are no HTTP came
  bool last_ = false;       // the client wants no further answer
  bool continued_ = false;  // 100 Continue was looked at
};

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions options, HttpHandler handler)
      : hub(std::move(options), std::move(handler)), acceptor(hub.io), sweep_timer(hub.io) {}

  void listen() {
    const HttpServerOptions& options = hub.options;
    error_code error;
    tcp::resolver resolver(hub.io);
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (error || found.empty()) {
      fail(ErrorCode::kInvalidArgument, "--host ", options.host, ": no such address");
    }
    const tcp::endpoint at = *found.begin();
    acceptor.open(at.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(at, error);
    if (!error) acceptor.listen(4096, error);
    if (error) {
      fail(ErrorCode::kUnavailable, "cannot listen on ", options.host, ":",
           static_cast<int64_t>(options.port), ": ", error.message());
    }
    if (options.tls_certificate.empty()) return;
    tls.emplace(net::ssl::context::tls_server);
    tls->set_options(net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1);
    tls->use_certificate_chain_file(options.tls_certificate, error);
    if (error) fail(ErrorCode::kInvalidArgument, options.tls_certificate, ": ", error.message());
    tls->use_private_key_file(options.tls_key, net::ssl::context::pem, error);
    if (error) fail(ErrorCode::kInvalidArgument, options.tls_key, ": ", error.message());
  }

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == net::error::operation_aborted || !acceptor.is_open()) return;
      if (error) return accept_later();
      if (hub.connections.size() >= hub.options.max_connections) close_one_idle();
      welcome(std::move(socket));
      accept();
    });
  }

  // No file descriptors are left: an idle connection makes room.
  void accept_later() {
    close_one_idle();
    const auto timer = std::make_shared<net::steady_timer>(hub.io, std::chrono::milliseconds(20));
    timer->async_wait([this, timer](error_code error) {
      if (!error && acceptor.is_open()) accept();
    });
  }

  void close_one_idle() {
    for (const auto& connection : hub.connections) {
      // A copy: closing takes it out of the set.
      if (connection->idle()) return std::shared_ptr<ConnectionBase>(connection)->close();
    }
  }

  void welcome(tcp::socket socket) {
    error_code error;
    socket.set_option(tcp::no_delay(true), error);
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;
    std::shared_ptr<ConnectionBase> connection;
    if (tls) {
      using TlsStream = net::ssl::stream<tcp::socket>;
      connection =
          std::make_shared<Connection<TlsStream>>(hub, TlsStream(std::move(socket), *tls), peer);
    } else {
      connection = std::make_shared<Connection<tcp::socket>>(hub, std::move(socket), peer);
    }
    hub.connections.insert(connection);
    hub.open.fetch_add(1);
    hub.accepted.fetch_add(1);
    connection->start();
  }

  // One timer for all connections costs less than one for each.
  void sweep() {
    sweep_timer.expires_after(std::chrono::milliseconds(100));
    sweep_timer.async_wait([this](error_code error) {
      if (error) return;
      const int64_t now = hub.options.clock->now_ns();
      std::vector<std::shared_ptr<ConnectionBase>> slow;
      for (const auto& connection : hub.connections) {
        if (connection->expired(now)) slow.push_back(connection);
      }
      hub.timed_out.fetch_add(slow.size());
      for (const auto& connection : slow) connection->close();
      sweep();
    });
  }

  void drain() {
    hub.draining = true;
    error_code ignored;
    acceptor.close(ignored);
    std::vector<std::shared_ptr<ConnectionBase>> idle;
    for (const auto& connection : hub.connections) {
      if (connection->idle()) idle.push_back(connection);
    }
    for (const auto& connection : idle) connection->close();
  }

  Hub hub;
  tcp::acceptor acceptor;
  net::steady_timer sweep_timer;
  std::optional<net::ssl::context> tls;
  uint16_t bound_port = 0;
  std::thread thread;
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {
  impl_->listen();
  impl_->bound_port = impl_->acceptor.local_endpoint().port();
}

void HttpServer::stop() {
  impl_->hub.io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

HttpServer::~HttpServer() {
  stop();
  const auto connections = impl_->hub.connections;
  for (const auto& connection : connections) connection->close();
}

void HttpServer::start() {
  impl_->accept();
  impl_->sweep();
  impl_->thread = std::thread([this] { impl_->hub.io.run(); });
}

uint16_t HttpServer::port() const { return impl_->bound_port; }

void HttpServer::drain() {
  net::post(impl_->hub.io, [this] { impl_->drain(); });
}

HttpServerCounts HttpServer::counts() const {
  const Hub& hub = impl_->hub;
  return {hub.open.load(), hub.accepted.load(), hub.timed_out.load()};
}

}  // namespace tamis::serve
