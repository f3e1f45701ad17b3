#include "serve/grpc/grpc_call.h"

#include <algorithm>
#include <chrono>
#include <functional>

namespace tamis::serve {

namespace {

grpc::StatusCode status_code(GrpcDialect dialect, ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kCorruptData:
      return grpc::StatusCode::DATA_LOSS;
    case ErrorCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kUnsupported:
      return grpc::StatusCode::UNIMPLEMENTED;
    case ErrorCode::kOverloaded:
      return dialect == GrpcDialect::kKserve ? grpc::StatusCode::UNAVAILABLE
                                             : grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case ErrorCode::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case ErrorCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kOutOfMemory:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::kInternal:
      return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::INTERNAL;
}

}  // namespace

grpc::Status grpc_status(GrpcDialect dialect, const Error& error) {
  return {status_code(dialect, error.code()), error.what()};
}

void check_message_bytes(int64_t bytes) {
  // Names and keys beside the numbers.
  constexpr int64_t kMost = (int64_t{1} << 31) - (int64_t{1} << 20);
  if (bytes <= kMost) return;
  fail(ErrorCode::kInvalidArgument, "the answer has ", bytes, " bytes; a gRPC message has at most ",
       kMost, ": split the request");
}

void GrpcStreams::add(std::weak_ptr<GrpcOpenStream> stream) {
  bool ending = false;
  {
    const std::lock_guard lock(mutex_);
    if (streams_.size() >= prune_at_) {
      std::erase_if(streams_, [](const auto& item) { return item.expired(); });
      prune_at_ = std::max<size_t>(64, 2 * streams_.size());
    }
    streams_.push_back(stream);
    ending = ending_;
  }
  if (!ending) return;
  if (const auto open = stream.lock()) open->end_when_answered();
}

void GrpcStreams::end_all() {
  std::vector<std::weak_ptr<GrpcOpenStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    streams = streams_;
  }
  for (const auto& stream : streams) {
    if (const auto open = stream.lock()) open->end_when_answered();
  }
}

GrpcCaller::GrpcCaller(const GrpcHost& host, GrpcDialect dialect,
                       grpc::CallbackServerContext& context)
    : host_(host),
      dialect_(dialect),
      context_(context),
      peer_(context.peer()),
      deadline_(context.deadline()) {
  const grpc::string_ref authority = context.ExperimentalGetAuthority();
  authority_.assign(authority.data(), authority.size());
  for (const auto& [name, value] : context.client_metadata()) {
    metadata_.emplace_back(std::string(name.data(), name.size()),
                           std::string(value.data(), value.size()));
  }
}

grpc::Status GrpcCaller::admit() {
  key_ = host_.keys.admit(metadata("authorization"));
  if (key_.allowed()) return grpc::Status::OK;
  if (key_.verdict == KeyAnswer::Verdict::kLimited) {
    return refusal(key_limit_error(key_), key_.retry_after_ms);
  }
  return {grpc::StatusCode::UNAUTHENTICATED, "the API key is missing or wrong"};
}

std::string_view GrpcCaller::metadata(const char* key) const {
  const auto at = std::ranges::find(metadata_, std::string_view(key), [](const auto& entry) {
    return std::string_view(entry.first);
  });
  return at == metadata_.end() ? std::string_view() : std::string_view(at->second);
}

Request GrpcCaller::new_request() const {
  Request request;
  // A peer is an address and a port, so this tells connections apart, as over HTTP.
  request.client = std::hash<std::string>()(peer_);
  request.cancelled = cancelled_;
  request.budget = std::make_shared<Budget>(core().limits());
  request.float_bytes = kRawFloatBytes;
  request.id = std::string(metadata("x-request-id"));
  request.traceparent = std::string(metadata("traceparent"));
  if (deadline_ != std::chrono::system_clock::time_point::max()) {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
        deadline_ - std::chrono::system_clock::now());
    request.timeout_us = std::max<int64_t>(1, left.count());
  }
  return request;
}

AdminCaller GrpcCaller::admin_caller() const {
  AdminCaller caller;
  caller.key = key_;
  caller.loopback = peer_.starts_with("ipv4:127.") || peer_.starts_with("ipv6:[::1]") ||
                    peer_.starts_with("ipv6:%5B::1%5D");
  caller.host = authority_;
  caller.headers = metadata_;
  return caller;
}

grpc::Status GrpcCaller::refusal(const Error& error, int64_t retry_after_ms) {
  if (error.code() == ErrorCode::kOverloaded) retry_after_ms_.store(retry_after_ms);
  return status(error);
}

void GrpcCaller::add_trailers(const grpc::Status& status) {
  const int64_t retry_after_ms = retry_after_ms_.load();
  const bool overloaded = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                          status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  if (!overloaded || retry_after_ms <= 0) return;
  try {
    // What gRPC's own retry policies read.
    context_.AddTrailingMetadata("grpc-retry-pushback-ms", cat(retry_after_ms));
  } catch (const std::bad_alloc&) {
    // The call ends without.
  }
}

void GrpcCaller::cancel() { cancelled_->store(true); }

ByteCharge GrpcCaller::hold(size_t bytes) const {
  ByteCharge charge = host_.held.charge(bytes);
  if (bytes > 0 && charge.bytes() == 0) {
    fail(ErrorCode::kOverloaded, "the server holds as many bytes of messages as it may");
  }
  return charge;
}

}  // namespace tamis::serve
