// A gRPC call on its way through a service: who calls, until when, and how it ends.
//
// Is: what every method of grpc_<service>.cc starts from. Is not: a service. May use: core, gRPC.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "serve/batching/byte_budget.h"
#include "serve/batching/current_error.h"
#include "serve/batching/server_options.h"
#include "serve/core/core.h"
#include "serve/grpc/grpc_received.h"
#include "serve/protocol/admin_guard.h"
#include "serve/protocol/api_key.h"

namespace tamis::serve {

/// How a family of services words its errors.
enum class GrpcDialect : uint8_t { kKserve, kTei };

/// The status of design's table; KServe says UNAVAILABLE where TEI says RESOURCE_EXHAUSTED.
[[nodiscard]] grpc::Status grpc_status(GrpcDialect dialect, const Error& error);

/// Throws kInvalidArgument for an answer that protobuf cannot send: it ends the process at 2 GiB.
void check_message_bytes(int64_t bytes);

/// A call that stays open between messages.
class GrpcOpenStream {
 public:
  virtual ~GrpcOpenStream() = default;
  /// Answers what has come, then ends.
  virtual void end_when_answered() = 0;
};

/// The open streams, so that they can be told to end. Thread-safe.
class GrpcStreams {
 public:
  void add(std::weak_ptr<GrpcOpenStream> stream);
  void end_all();

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<GrpcOpenStream>> streams_;
  size_t prune_at_ = 64;
  bool ending_ = false;
};

/// What all services hold on to. They outlive every call.
struct GrpcHost {
  Core& core;
  const ServerOptions& options;
  ApiKeys& keys;
  GrpcStreams& streams;
  ByteBudget& held;  ///< answers that are not taken yet, and messages that streams read ahead
};

/// The part of a call that does not depend on its messages. Thread-safe, and what it says of the
/// call is a copy: messages of a stream may be at work behind its end, when gRPC's own is gone.
class GrpcCaller {
 public:
  GrpcCaller(const GrpcHost& host, GrpcDialect dialect, grpc::CallbackServerContext& context);

  /// Asks for the caller's API key; not OK: the call ends with it. Once for a call, before all
  /// else.
  [[nodiscard]] grpc::Status admit();
  [[nodiscard]] Core& core() const { return host_.core; }
  [[nodiscard]] const ServerOptions& options() const { return host_.options; }
  /// Runs `work` now if a message of so many bytes is soon read, else on a worker.
  template <typename Work>
  void read(size_t message_bytes, Work work) const {
    constexpr size_t kHere = 4096;
    if (message_bytes <= kHere) {
      work();
    } else {
      core().workers().post(std::move(work));
    }
  }
  /// What a message says; on the thread that `read` picked. Throws as read_message().
  template <typename Message>
  [[nodiscard]] Message& message(Received<Message>& received) const {
    return received.read(message_limits(options()));
  }
  /// A request with this call's client, id, deadline and cancellation, to no model yet.
  [[nodiscard]] Request new_request() const;
  /// What admin_refusal() looks at.
  [[nodiscard]] AdminCaller admin_caller() const;
  /// The first value of a metadata key; empty if there is none.
  [[nodiscard]] std::string_view metadata(const char* key) const;
  [[nodiscard]] grpc::Status status(const Error& error) const {
    return grpc_status(dialect_, error);
  }
  /// As status(), and the end of the call will tell the client when to come back.
  [[nodiscard]] grpc::Status refusal(const Error& error, int64_t retry_after_ms);
  /// Once, right before the call ends: what only its end says.
  void add_trailers(const grpc::Status& status);
  /// The client has gone: what waits leaves the queue.
  void cancel();
  [[nodiscard]] bool cancelled() const { return cancelled_->load(); }
  /// Takes room for so many bytes of an answer or of a message that waits, until the charge goes.
  /// Throws kOverloaded where there is none.
  [[nodiscard]] ByteCharge hold(size_t bytes) const;
  /// As hold(), of an answer that is ready: what it will be on the wire, which is what it is in
  /// memory but for `more`. Throws check_message_bytes()'s, too.
  template <typename Message>
  [[nodiscard]] ByteCharge hold_answer(const Message& message, size_t more) const {
    const size_t bytes = message.ByteSizeLong();
    check_message_bytes(static_cast<int64_t>(bytes));
    return hold(bytes + more);
  }

 private:
  GrpcHost host_;
  GrpcDialect dialect_;
  grpc::CallbackServerContext& context_;  // until the call ends
  std::string peer_;
  std::string authority_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::chrono::system_clock::time_point deadline_;
  KeyAnswer key_;
  std::atomic<int64_t> retry_after_ms_{0};
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

/// `call` for those who owe it its answer: once the last of them lets go, call->lost() is told,
/// which ends it where nobody has. So a callback that is lost for lack of memory leaves no call
/// open. Whoever makes it catches what is thrown before letting go: else that is lost, too.
template <typename Owed>
[[nodiscard]] std::shared_ptr<Owed> owed(const std::shared_ptr<Owed>& call) {
  struct Debt {
    std::shared_ptr<Owed> call;
    explicit Debt(const std::shared_ptr<Owed>& owed) : call(owed) {}
    ~Debt() { call->lost(); }
  };
  const auto debt = std::make_shared<Debt>(call);
  return {debt, debt->call.get()};
}

/// A call that is refused before it has an object of its own: ends with `status` at once. Null
/// where there is no memory even for that; gRPC then answers UNIMPLEMENTED.
template <typename Reactor>
[[nodiscard]] Reactor* refused_call(grpc::Status status) noexcept {
  struct Refused final : Reactor {
    void OnDone() override { delete this; }
  };
  auto* const reactor = new (std::nothrow) Refused;
  if (reactor != nullptr) reactor->Finish(std::move(status));
  return reactor;
}

/// One message in, one out. Lives until gRPC is done with it and nobody else holds it.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const GrpcHost& host, GrpcDialect dialect, grpc::CallbackServerContext& context)
      : caller_(host, dialect, context) {}

  [[nodiscard]] GrpcCaller& caller() { return caller_; }
  /// Ends the call; the first counts.
  void end(grpc::Status status) {
    if (ended_.exchange(true)) return;
    caller_.add_trailers(status);
    Finish(std::move(status));
  }
  void finish() { end(grpc::Status::OK); }
  /// Ends the call with the answer, which is held until it is taken. Throws as hold_answer().
  template <typename Message>
  void finish(const Message& answer, size_t more = 0) {
    held_ = caller_.hold_answer(answer, more);
    finish();
  }
  void fail(const Error& error) { end(caller_.status(error)); }
  void lost() { fail(out_of_memory()); }

  void OnCancel() override { caller_.cancel(); }
  void OnDone() override { self_.reset(); }

  /// Runs `method(call)` and ends the call with what it throws. `method` ends it otherwise, now or
  /// later.
  template <typename Method>
  static grpc::ServerUnaryReactor* start(const GrpcHost& host, GrpcDialect dialect,
                                         grpc::CallbackServerContext& context,
                                         const Method& method) {
    std::shared_ptr<UnaryCall> call;
    try {
      call = std::make_shared<UnaryCall>(host, dialect, context);
    } catch (...) {
      grpc::ServerUnaryReactor* const refused = context.DefaultReactor();
      refused->Finish(grpc_status(dialect, current_error()));
      return refused;
    }
    call->self_ = call;
    call->guard([&] {
      grpc::Status refused = call->caller_.admit();
      if (!refused.ok()) return call->end(std::move(refused));
      const std::shared_ptr<UnaryCall> debt = owed(call);
      call->guard([&] { method(debt); });
    });
    return call.get();
  }

  /// As start(), for methods that answer at once.
  template <typename Method>
  static grpc::ServerUnaryReactor* answer(const GrpcHost& host, GrpcDialect dialect,
                                          grpc::CallbackServerContext& context,
                                          const Method& method) {
    return start(host, dialect, context, [&](const std::shared_ptr<UnaryCall>& call) {
      method(*call);
      call->finish();
    });
  }

  /// Submits; `print` writes and returns the response of a reply that is no error, and may throw
  /// Error.
  template <typename Print>
  static void submit(const std::shared_ptr<UnaryCall>& call, Request request, Print print) {
    call->caller_.core().submit(
        std::move(request), [call, print = std::move(print)](Reply&& reply) {
          if (reply.error) {
            call->end(call->caller_.refusal(*reply.error, reply.retry_after_ms));
            return;
          }
          call->guard([&] { call->finish(print(reply)); });
        });
  }

  template <typename Body>
  void guard(const Body& body) {
    try {
      body();
    } catch (...) {
      fail(current_error());
    }
  }

 private:
  GrpcCaller caller_;
  std::atomic<bool> ended_{false};
  ByteCharge held_;
  std::shared_ptr<UnaryCall> self_;
};

using UnaryCallPtr = std::shared_ptr<UnaryCall>;

}  // namespace tamis::serve
