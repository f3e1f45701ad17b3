// An HTTP call on its way through an endpoint: what came, where to send the answer.
//
// Is: what every endpoint_<name>.cc starts from. Is not: a route or a socket. May use: core,
// dialect.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/batching/server_options.h"
#include "serve/core/core.h"
#include "serve/core/http_counts.h"
#include "serve/http/http_message.h"
#include "serve/protocol/dialect.h"
#include "serve/protocol/http_filters.h"

namespace tamis::serve {

class Metrics;

/// What calls need of the server. All of it outlives them.
struct CallHost {
  Core& core;
  const ServerOptions& options;
  Metrics& metrics;
  std::function<ServerCounts()> counts;
};

/// One request. Made and first used on the connection's thread, then by whoever answers.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(const CallHost& host, HttpExchangePtr exchange, Dialect dialect);
  /// A call that goes without an answer was lost for lack of memory: it is answered with 503, or
  /// its connection closed.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] const HttpRequest& request() const { return exchange_->request(); }
  [[nodiscard]] Dialect dialect() const { return dialect_; }
  /// For routes whose body tells who is asking.
  void set_dialect(Dialect dialect) { dialect_ = dialect; }
  [[nodiscard]] const CallHost& host() const { return host_; }
  [[nodiscard]] Core& core() const { return host_.core; }
  [[nodiscard]] const ServerOptions& options() const { return host_.options; }
  /// What {model}, {version} and {task} of the route stand for; empty if it has none.
  std::string path_model;
  std::string path_version;
  std::string path_task;
  /// The path's model counts and not the body's: "/models/NAME" stands before the route.
  bool path_decides = false;
  /// What the caller's key lets it do.
  KeyAnswer key;
  /// The request's id: the client's X-Request-Id, or a number.
  std::string id;

  /// The body as JSON. Throws kCorruptData: malformed, too deep, a key twice.
  [[nodiscard]] JsonView json();

  void respond(HttpResponse response);
  void respond_json(JsonWriter& json);
  /// Where there is no memory for it the call is answered when it goes.
  void respond_error(const Error& error, int64_t retry_after_ms = 0) noexcept;

  /// The model that `field` names, else the path, else the only loaded one that does one of
  /// `tasks`. Throws kNotFound or kInvalidArgument, with the names there are.
  [[nodiscard]] ModelLease route(std::optional<std::string_view> field,
                                 std::initializer_list<tasks::TaskKind> tasks);
  /// As route(), by route_model_by_turns().
  [[nodiscard]] ModelLease route_by_turns(std::optional<std::string_view> field,
                                          std::initializer_list<tasks::TaskKind> tasks);

  /// A request to that model with this call's client, id, deadline and cancellation.
  [[nodiscard]] Request new_request(const ModelLease& model);

  /// What this call's request may take.
  [[nodiscard]] const BudgetPtr& budget() const;

  /// Set once the client has gone.
  [[nodiscard]] CancelFlag cancelled() const { return exchange_->cancelled(); }
  /// Where the answer is made: the connection's thread, or a worker for what takes long to print.
  [[nodiscard]] Executor& reply_on();

  /// Submits; `print` makes the answer of a reply that is no error, in which it may throw Error.
  void submit(Request request, std::function<HttpResponse(Call&, Reply&)> print);
  /// What the log line says of the model's reply, for those that submit by themselves.
  void note(const Reply& reply);

 private:
  [[nodiscard]] std::string_view model_name(std::optional<std::string_view> field) const;
  [[nodiscard]] bool packs_answers() const;

  const CallHost& host_;
  HttpExchangePtr exchange_;
  Dialect dialect_;
  RequestLog log_;
  bool responded_ = false;
  std::optional<JsonDocument> document_;
  mutable BudgetPtr budget_;
};

using CallPtr = std::shared_ptr<Call>;

}  // namespace tamis::serve
