// The body of an HTTP/1 request out of the bytes of its connection.
//
// Is: lengths, chunks, what is too much. Is not: a socket or a head (http_head). May use:
// http_head, byte_budget.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serve/batching/byte_budget.h"
#include "serve/http/http_head.h"

namespace tamis::serve {

/// No other limit of a body is told with 503.
inline constexpr HttpRefusal kNoRoomForBody = {
    503, "the server holds as many bytes of requests as it may"};

struct HttpBodyLimits {
  size_t max_bytes = 0;
  /// Of trailers, and of chunk extensions: they are read, checked and dropped.
  size_t max_extra_bytes = 0;
};

/// Reads one body. Memory is charged to the budget before it is taken, and grows with what has
/// come, not with what was announced.
class HttpBody {
 public:
  HttpBody(const HttpHead& head, HttpBodyLimits limits, ByteBudget& budget);

  /// What can be said before the body: longer than is taken.
  [[nodiscard]] HttpRefusal check_length() const;
  /// Takes from the front of `bytes` what belongs to the body. Behind kNoRoomForBody it can be
  /// called again with what is left.
  [[nodiscard]] HttpRefusal read(std::string_view& bytes);
  [[nodiscard]] bool done() const { return state_ == State::kDone; }
  /// Received so far.
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  /// The body, and the charge that lasts as long as it.
  [[nodiscard]] std::string take(ByteCharge& charge);

 private:
  enum class State : uint8_t {
    kData,         ///< left_ bytes follow
    kSize,         ///< a chunk's size in hexadecimal digits
    kExtension,    ///< from behind the size to the line's end
    kSizeEnd,      ///< the line feed behind the size
    kDataEnd,      ///< the carriage return behind a chunk
    kDataEndFeed,  ///< its line feed
    kTrailer,      ///< the beginning of a trailer's line
    kTrailerName,
    kTrailerValue,
    kTrailerEnd,  ///< a trailer's line feed
    kLastFeed,    ///< the line feed of the empty line
    kDone,
  };

  [[nodiscard]] HttpRefusal append(std::string_view& bytes);
  [[nodiscard]] HttpRefusal read_framing(char c);
  [[nodiscard]] HttpRefusal read_size(char c);
  [[nodiscard]] HttpRefusal read_trailer(char c);
  void begin_chunk();
  [[nodiscard]] HttpRefusal grow(size_t bytes);

  HttpBodyLimits limits_;
  ByteBudget& budget_;
  State state_ = State::kDone;
  bool chunked_ = false;
  uint64_t left_ = 0;
  int digits_ = 0;
  size_t extra_ = 0;
  std::string bytes_;
  ByteCharge charge_;
};

}  // namespace tamis::serve
