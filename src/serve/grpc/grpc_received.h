// A message as it came, read only when its caller has been asked for a key.
//
// Is: the bytes of one message, the price of reading them, and what they say. Is not: what a
// message means (grpc_kserve, grpc_tei). May use: gRPC, protobuf.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "serve/batching/server_options.h"

namespace google::protobuf {
class Message;
}

namespace tamis::serve {

/// Of one message.
struct MessageLimits {
  int64_t max_items = 0;
  int64_t max_bytes = 0;  ///< when decompressed
};
[[nodiscard]] MessageLimits message_limits(const ServerOptions& options);

/// gRPC leaves compressed messages as they are: it knows no limit of what they become.
[[nodiscard]] bool is_compressed(const grpc::ByteBuffer& bytes);

/// Reads `bytes`, all of them, into `message`. Throws Error kInvalidArgument if they are no such
/// message, are too many when decompressed, or have more strings, messages and unknown fields than
/// lists of max_items make: each takes a hundred times the two bytes it can be sent as;
/// kCorruptData if they are compressed otherwise than was said.
void read_message(grpc::ByteBuffer& bytes, const MessageLimits& limits,
                  google::protobuf::Message& message);

/// gRPC makes one for each message that comes. Not thread-safe.
template <typename Message>
class Received {
 public:
  Received() = default;
  Received(Received&& other) noexcept { *this = std::move(other); }
  Received& operator=(Received&& other) noexcept {
    bytes_.Clear();
    bytes_.Swap(&other.bytes_);
    message_ = std::move(other.message_);
    return *this;
  }
  ~Received() = default;
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  void take(grpc::ByteBuffer& bytes) {
    bytes_.Clear();
    bytes_.Swap(&bytes);
  }
  /// How much there is to read; SIZE_MAX: that is not known before.
  [[nodiscard]] size_t bytes() const {
    if (!bytes_.Valid()) return 0;
    return is_compressed(bytes_) ? SIZE_MAX : bytes_.Length();
  }
  /// What it says, which lives as long as this. Once. Throws as read_message().
  [[nodiscard]] Message& read(const MessageLimits& limits) {
    message_.Clear();
    read_message(bytes_, limits, message_);
    bytes_.Clear();
    return message_;
  }

 private:
  grpc::ByteBuffer bytes_;
  Message message_;
};

}  // namespace tamis::serve

template <typename Message>
class grpc::SerializationTraits<tamis::serve::Received<Message>, void> {
 public:
  static Status Deserialize(ByteBuffer* bytes, tamis::serve::Received<Message>* message) {
    message->take(*bytes);
    return Status::OK;
  }
};
