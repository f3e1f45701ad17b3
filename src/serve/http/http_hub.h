// What the connections of one HTTP server share, and what it knows of each.
//
// Is: with http_exchange, http_connection.cc and http_server.cc the only place that sees Boost. Is
// not: for any other file. May use: http_server.
#pragma once

#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/batching/byte_budget.h"
#include "serve/http/http_server.h"

namespace tamis::serve {

struct HttpHub;

/// Of TCP, or a Unix domain socket.
using HttpSocket = boost::asio::generic::stream_protocol::socket;

/// Who is at the other end.
struct HttpPeer {
  std::string text;       ///< "127.0.0.1:4711", "::1:4711", "unix"
  bool loopback = false;  ///< this machine
};

/// Logs the exception that is being handled, where there is memory for it.
void log_current(std::string_view what) noexcept;

/// Where a connection stands when another needs its place.
enum class HttpStanding : uint8_t {
  kIdle,        ///< nothing begun, nothing owed
  kUnfinished,  ///< a handshake or request has begun, and nothing is owed
  kOwed,        ///< an answer is owed or under way
};
inline constexpr size_t kHttpStandings = 3;

/// Used by the server's thread alone.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using List = std::list<std::shared_ptr<HttpConnection>>;

  virtual ~HttpConnection() = default;
  virtual void start() = 0;
  /// Sends the answers whose turn it is; closes where there is no memory for that.
  virtual void flush() noexcept = 0;
  virtual void close() noexcept = 0;
  /// Looks at the time; true: it was closed for being slow or silent. Closes it, too, if an answer
  /// was abandoned.
  virtual bool tick(int64_t now_ns) noexcept = 0;
  /// Closes it if it is idle with nothing in its socket.
  virtual void close_if_silent() = 0;
  /// Refuses the request whose body is coming and lets that go, if the request began by then;
  /// false: it is not so.
  virtual bool give_up_body(int64_t begun_by_ns) noexcept = 0;

  /// Puts it at the end of the hub's list of that standing, where it is not there yet.
  void stand(HttpHub& hub, HttpStanding standing);
  [[nodiscard]] HttpStanding standing() const { return standing_; }

 protected:
  friend struct HttpHub;
  HttpStanding standing_ = HttpStanding::kIdle;
  List::iterator place_;
};

/// Runs tasks on the server's thread.
class HttpExecutor final : public Executor {
 public:
  explicit HttpExecutor(boost::asio::io_context& io) : io_(io) {}
  void post(std::function<void()> task) override { boost::asio::post(io_, std::move(task)); }

 private:
  boost::asio::io_context& io_;
};

/// The server's thread alone touches it, but for the counts and the budget.
struct HttpHub {
  HttpHub(HttpServerOptions all, HttpHandler call)
      : options(std::move(all)),
        handler(std::move(call)),
        executor(io),
        budget(options.max_held_bytes),
        answers(options.max_held_bytes) {}

  void add(std::shared_ptr<HttpConnection> connection);
  void remove(HttpConnection& connection);
  [[nodiscard]] size_t connections() const;
  /// Closes the connection that is missed least; false: answers are owed to all.
  bool make_room();
  /// Has the request given up whose body has been coming for the longest, of those that began by
  /// then; false: there is none.
  bool make_room_for_body(int64_t begun_by_ns);
  /// Date's value, made once a second.
  [[nodiscard]] const std::string& date();

  HttpServerOptions options;
  HttpHandler handler;
  boost::asio::io_context io{1};
  std::optional<boost::asio::ssl::context> tls;
  HttpExecutor executor;
  ByteBudget budget;                           ///< of bodies
  ByteBudget answers;                          ///< that are not sent yet
  HttpConnection::List lists[kHttpStandings];  ///< by standing, each longest first
  uint64_t next_connection = 1;
  bool draining = false;
  std::atomic<int64_t> open{0};
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> timed_out{0};

 private:
  int64_t date_second_ = -1;
  std::string date_;
};

/// A connection over that socket, with TLS where the hub has it.
[[nodiscard]] std::shared_ptr<HttpConnection> make_http_connection(HttpHub& hub, HttpSocket socket,
                                                                   HttpPeer peer);

}  // namespace tamis::serve
