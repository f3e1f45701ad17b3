// A stream of requests, each with one response, in the order they came.
//
// Is: reading, order, back-pressure and the end of a bidirectional call. Is not: what a message
// means. May use: grpc_call.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "serve/batching/current_error.h"
#include "serve/grpc/grpc_call.h"

namespace tamis::serve {

/// Thread-safe. Lives until gRPC is done with it and nobody else holds it.
template <typename In, typename Out>
class GrpcStream final : public grpc::ServerBidiReactor<Received<In>, Out>, public GrpcOpenStream {
 public:
  using Ptr = std::shared_ptr<GrpcStream>;
  /// Told of each message; answers it, now or later, with answer() or fail() under its number. If
  /// the last copy of `stream` goes without that, the stream ends: memory was lacking.
  using Handler = std::function<void(const Ptr& stream, Received<In>&& message, size_t number)>;
  using Reactor = grpc::ServerBidiReactor<Received<In>, Out>;

  static Reactor* start(const GrpcHost& host, GrpcDialect dialect,
                        grpc::CallbackServerContext& context, Handler handler) {
    Ptr stream;
    try {
      stream = std::make_shared<GrpcStream>(host, dialect, context, std::move(handler));
      host.streams.add(stream);
    } catch (...) {
      return refused_call<Reactor>(grpc_status(dialect, current_error()));
    }
    stream->self_ = stream;
    stream->guard([&] {
      grpc::Status refused = stream->caller_.admit();
      if (!refused.ok()) stream->fail(std::move(refused));
    });
    stream->started_.store(true);
    stream->advance();
    return stream.get();
  }

  GrpcStream(const GrpcHost& host, GrpcDialect dialect, grpc::CallbackServerContext& context,
             Handler handler)
      : caller_(host, dialect, context), handler_(std::move(handler)) {}

  [[nodiscard]] GrpcCaller& caller() { return caller_; }

  /// Whether an answer would still be taken. False: what is at work for it need not go on.
  [[nodiscard]] bool wanted() {
    const std::lock_guard lock(mutex_);
    return !ended_ && !failure_ && !caller_.cancelled();
  }

  /// Where there is no room for what waits, the stream ends. `more` as GrpcCaller::hold_answer().
  void answer(size_t number, Out&& response, size_t more = 0) {
    guard([&] {
      ByteCharge held = caller_.hold_answer(response, more);
      const std::lock_guard lock(mutex_);
      if (ended_ || failure_) return;
      Waiting& place = waiting_[number - first_number_];
      waiting_bytes_ += held.bytes() - place.held.bytes();
      place.answer = std::move(response);
      place.held = std::move(held);
    });
    advance();
  }

  void end_when_answered() override {
    {
      const std::lock_guard lock(mutex_);
      draining_ = true;
    }
    advance();
  }

  /// Ends the stream with what `body` throws.
  template <typename Body>
  void guard(const Body& body) {
    try {
      body();
    } catch (...) {
      fail(caller_.status(current_error()));
    }
  }

  /// Ends the stream.
  void fail(grpc::Status status) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::move(status);
    }
    advance();
  }

  void OnReadDone(bool ok) override {
    size_t number = 0;
    Received<In> message;
    {
      const std::lock_guard lock(mutex_);
      // From here on another thread may start the next read.
      message = std::move(message_);
      reading_ = false;
      closed_ = closed_ || !ok;
      number = first_number_ + waiting_.size();
      if (!closed_) ok = add_waiting(message.bytes());
    }
    if (ok) hand_on(std::move(message), number);
    advance();
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      writing_held_.give_back();
      if (!ok && !failure_) failure_ = grpc::Status(grpc::StatusCode::CANCELLED, "not written");
    }
    advance();
  }

  void OnCancel() override { caller_.cancel(); }
  void OnDone() override { self_.reset(); }

 private:
  // A message that was read, and then its answer.
  struct Waiting {
    std::optional<Out> answer;
    ByteCharge held;
  };

  // A place for an answer; false: there is no memory or room for it, and the stream ends.
  bool add_waiting(size_t message_bytes) noexcept {
    try {
      waiting_.push_back({std::nullopt, caller_.hold(message_bytes)});
      waiting_bytes_ += message_bytes;
      return true;
    } catch (...) {
      if (!failure_) failure_ = caller_.status(current_error());
      return false;
    }
  }

  // The stream for those who owe it the answer of one message.
  struct Debt {
    Debt(const Ptr& owed, size_t message) : stream(owed), number(message) {}
    ~Debt() { stream->lost(number); }
    static Ptr made(const Ptr& stream, size_t number) {
      const auto debt = std::make_shared<Debt>(stream, number);
      return {debt, debt->stream.get()};
    }

    Ptr stream;
    size_t number;
  };

  void hand_on(Received<In>&& message, size_t number) {
    guard([&] {
      const Ptr debt = Debt::made(self_, number);
      // What it throws ends the stream before the debt is given up.
      guard([&] { handler_(debt, std::move(message), number); });
    });
  }

  void lost(size_t number) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || failure_ || number < first_number_) return;
      if (waiting_[number - first_number_].answer) return;
      failure_ = caller_.status(out_of_memory());
    }
    advance();
  }

  // Messages that one stream may have unanswered; it is not read further while they wait.
  static constexpr size_t kMostWaiting = 64;
  // And bytes of them and of their answers, beyond one.
  static constexpr size_t kMostWaitingBytes = size_t{4} << 20;

  struct Steps {
    bool read = false;
    bool write = false;
    std::optional<grpc::Status> end;
    [[nodiscard]] bool any() const { return read || write || end; }
  };

  // Does what may be done next. gRPC is never called with the lock held: it may call back. The end
  // waits until every start has returned: behind it the call is gone.
  void advance() {
    for (;;) {
      Steps steps = next_steps();
      if (!steps.any()) return;
      if (steps.end) {
        caller_.add_trailers(*steps.end);
        this->Finish(std::move(*steps.end));
        return;
      }
      if (steps.write) this->StartWrite(&response_);
      if (steps.read) this->StartRead(&message_);
      const std::lock_guard lock(mutex_);
      --starting_;
    }
  }

  Steps next_steps() {
    const std::lock_guard lock(mutex_);
    Steps steps;
    if (ended_ || !started_.load()) return steps;
    if (draining_ && waiting_.empty() && !writing_ && !failure_) {
      failure_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");
    }
    if (!writing_ && !failure_ && !waiting_.empty() && waiting_.front().answer) {
      response_ = std::move(*waiting_.front().answer);
      waiting_bytes_ -= waiting_.front().held.bytes();
      writing_held_ = std::move(waiting_.front().held);
      waiting_.pop_front();
      ++first_number_;
      writing_ = steps.write = true;
    }
    const bool room =
        waiting_.empty() || (waiting_.size() < kMostWaiting && waiting_bytes_ < kMostWaitingBytes);
    if (!reading_ && !closed_ && !draining_ && !failure_ && room) {
      reading_ = steps.read = true;
    }
    if (steps.read || steps.write) {
      ++starting_;
    } else if (!writing_ && starting_ == 0 && (failure_ || (closed_ && waiting_.empty()))) {
      ended_ = true;
      waiting_.clear();
      steps.end = std::move(failure_).value_or(grpc::Status());
    }
    return steps;
  }

  GrpcCaller caller_;
  Handler handler_;
  Ptr self_;
  Received<In> message_;
  Out response_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;  ///< by number, from first_number_
  size_t waiting_bytes_ = 0;     ///< held for them
  ByteCharge writing_held_;
  size_t first_number_ = 0;
  std::optional<grpc::Status> failure_;
  std::atomic<bool> started_{false};  ///< gRPC knows it, or will
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
  bool draining_ = false;
  bool ended_ = false;
  int starting_ = 0;  ///< threads between a decision and its start
};

}  // namespace tamis::serve
