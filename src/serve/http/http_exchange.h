// A request of a connection, until its answer is written.
//
// Is: the answer's way from any thread to the server's, and what of it is held. Is not: bytes on a
// socket (http_connection). May use: http_hub.
#pragma once

#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "serve/http/http_hub.h"

namespace tamis::serve {

/// Bodies up to this size are copied behind their heads, as one buffer costs less than two, and are
/// not counted while they wait.
inline constexpr size_t kJoinBytes = 16384;

/// Of the server's thread, but for what HttpExchange says.
class PendingExchange final : public HttpExchange {
 public:
  PendingExchange(HttpHub& hub, std::weak_ptr<HttpConnection> connection)
      : hub_(hub), connection_(std::move(connection)) {}

  void respond(HttpResponse response) override {
    ByteCharge held;
    if (response.body.size() > kJoinBytes) {
      held = hub_.answers.charge(response.body.size());
      if (held.bytes() == 0) response = hub_.options.refuse(request_, kNoRoom);
    }
    boost::asio::dispatch(hub_.io, [response = std::move(response), held = std::move(held),
                                    self = shared_from_this()]() mutable {
      auto& exchange = static_cast<PendingExchange&>(*self);
      if (exchange.response_) return;
      exchange.held_ = std::move(held);
      exchange.set_response(std::move(response));
      const auto open = exchange.connection_.lock();
      if (open) open->flush();
    });
  }
  void abandon() noexcept override { abandoned_.store(true); }
  Executor& executor() override { return hub_.executor; }

  void set_response(HttpResponse response) { response_ = std::move(response); }
  /// Null until there is one.
  [[nodiscard]] HttpResponse* response() { return response_ ? &*response_ : nullptr; }
  /// What the response's body takes, for as long as it is to be counted.
  [[nodiscard]] ByteCharge take_held() { return std::move(held_); }
  /// The next tick closes the connection.
  [[nodiscard]] bool abandoned() const { return abandoned_.load(); }
  void cancel() { cancelled_->store(true); }

  bool keep_alive = true;
  bool http_1_0 = false;

 private:
  static constexpr HttpRefusal kNoRoom = {503,
                                          "the server holds as many bytes of answers as it may"};

  HttpHub& hub_;
  std::weak_ptr<HttpConnection> connection_;
  std::optional<HttpResponse> response_;
  ByteCharge held_;
  std::atomic<bool> abandoned_{false};
};

}  // namespace tamis::serve
