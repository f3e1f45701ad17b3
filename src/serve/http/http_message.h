// A request and its answer as the endpoints see them.
//
// Is: plain data. Is not: a socket or a parser (http_connection, http_head). May use: request,
// byte_budget.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/batching/byte_budget.h"
#include "serve/batching/request.h"

namespace tamis::serve {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// The first of that name, whatever its case; empty if there is none.
[[nodiscard]] std::string_view find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method;
  std::string path;   ///< percent-decoded, without the query
  std::string query;  ///< as it came, without the '?'
  HttpHeaders headers;
  std::string body;
  ByteCharge body_charge;  ///< of the body's memory, for as long as it is held
  std::string remote;      ///< the peer's address
  bool loopback = false;   ///< the peer is this machine
  uint64_t connection = 0;
  int64_t arrived_ns = 0;

  [[nodiscard]] std::string_view header(std::string_view name) const {
    return find_header(headers, name);
  }
  [[nodiscard]] bool has_header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers = {};
  std::string body = {};
};

/// ASCII letters of any case.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

/// "Not Found".
[[nodiscard]] std::string_view http_reason(int status);

/// What an answer says of its connection.
enum class ConnectionField : uint8_t {
  kNone,       ///< HTTP/1.1's default: it stays
  kKeepAlive,  ///< it stays, for a client of HTTP/1.0 that asked
  kClose,
};

/// A time as Date wants it: "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string http_date(int64_t unix_seconds);

/// The status line and headers, with the empty line. Content-Length is the body's, also for HEAD.
[[nodiscard]] std::string response_head(const HttpResponse& response, ConnectionField connection,
                                        std::string_view date);

/// A request that waits for its answer. Thread-safe.
class HttpExchange : public std::enable_shared_from_this<HttpExchange> {
 public:
  virtual ~HttpExchange() = default;
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  [[nodiscard]] HttpRequest& request() { return request_; }
  /// Sends the answer; the first call counts.
  virtual void respond(HttpResponse response) = 0;
  /// Closes the connection soon; for where there is no memory to respond. Needs none.
  virtual void abandon() noexcept = 0;
  /// Set once the client has gone.
  [[nodiscard]] CancelFlag cancelled() const { return cancelled_; }
  /// The connection's own thread.
  [[nodiscard]] virtual Executor& executor() = 0;

 protected:
  HttpRequest request_;
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

using HttpExchangePtr = std::shared_ptr<HttpExchange>;

}  // namespace tamis::serve
