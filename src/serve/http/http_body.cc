#include "serve/http/http_body.h"

#include <algorithm>

#include "base/percent.h"

namespace tamis::serve {

namespace {

constexpr HttpRefusal kTaken = {};
constexpr HttpRefusal kMalformed = {400, "malformed chunked body"};
constexpr HttpRefusal kTooLarge = {413, "the request's body is larger than --max-body"};
constexpr HttpRefusal kTooMuchExtra = {431, "the body's trailers or chunk extensions are too long"};
// What a body starts with; most need no more.
constexpr size_t kFirstBytes = 4096;

}  // namespace

HttpBody::HttpBody(const HttpHead& head, HttpBodyLimits limits, ByteBudget& budget)
    : limits_(limits), budget_(budget) {
  switch (head.body) {
    case HttpBodyKind::kNone:
      break;
    case HttpBodyKind::kLength:
      state_ = State::kData;
      left_ = head.content_length;
      break;
    case HttpBodyKind::kChunked:
      state_ = State::kSize;
      chunked_ = true;
      break;
  }
}

HttpRefusal HttpBody::check_length() const {
  return left_ > limits_.max_bytes ? kTooLarge : kTaken;
}

HttpRefusal HttpBody::read(std::string_view& bytes) {
  while (!bytes.empty() && state_ != State::kDone) {
    HttpRefusal refusal;
    if (state_ == State::kData) {
      refusal = append(bytes);
    } else {
      refusal = read_framing(bytes.front());
      bytes.remove_prefix(1);
    }
    if (refusal) return refusal;
  }
  return kTaken;
}

std::string HttpBody::take(ByteCharge& charge) {
  charge = std::move(charge_);
  return std::move(bytes_);
}

HttpRefusal HttpBody::append(std::string_view& bytes) {
  const auto count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
  if (const HttpRefusal refusal = grow(bytes_.size() + count)) return refusal;
  bytes_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  left_ -= count;
  if (left_ == 0) state_ = chunked_ ? State::kDataEnd : State::kDone;
  return kTaken;
}

// Doubles, so that who announces much and sends little holds little.
HttpRefusal HttpBody::grow(size_t bytes) {
  if (bytes <= bytes_.capacity() && charge_.bytes() >= bytes) return kTaken;
  size_t wanted = std::max({bytes, 2 * charge_.bytes(), kFirstBytes});
  if (!chunked_) wanted = std::min<size_t>(wanted, bytes_.size() + left_);
  ByteCharge larger = budget_.charge(wanted);
  if (larger.bytes() == 0) return kNoRoomForBody;
  bytes_.reserve(wanted);
  charge_ = std::move(larger);
  return kTaken;
}

HttpRefusal HttpBody::read_framing(char c) {
  switch (state_) {
    case State::kSize:
    case State::kExtension:
    case State::kSizeEnd:
      return read_size(c);
    case State::kDataEnd:
      if (c != '\r') return kMalformed;
      state_ = State::kDataEndFeed;
      return kTaken;
    case State::kDataEndFeed:
      if (c != '\n') return kMalformed;
      state_ = State::kSize;
      digits_ = 0;
      return kTaken;
    case State::kTrailer:
    case State::kTrailerName:
    case State::kTrailerValue:
    case State::kTrailerEnd:
    case State::kLastFeed:
      return read_trailer(c);
    case State::kData:
    case State::kDone:
      break;
  }
  return kTaken;
}

HttpRefusal HttpBody::read_size(char c) {
  if (state_ == State::kSizeEnd) {
    if (c != '\n') return kMalformed;
    begin_chunk();
    return kTaken;
  }
  if (state_ == State::kSize) {
    if (const int digit = hex_digit(c); digit >= 0) {
      // Zeros in front are extra; what is left is too large long before it overflows.
      if (digits_ > 0 && left_ == 0 && ++extra_ > limits_.max_extra_bytes) return kTooMuchExtra;
      digits_ = 1;
      left_ = left_ * 16 + static_cast<uint64_t>(digit);
      return left_ > limits_.max_bytes - bytes_.size() ? kTooLarge : kTaken;
    }
    if (digits_ == 0) return kMalformed;
  }
  if (c == '\r') {
    state_ = State::kSizeEnd;
    return kTaken;
  }
  const bool begins = c == ';' || c == ' ' || c == '\t';
  if (!is_field_value({&c, 1}) || (state_ == State::kSize && !begins)) return kMalformed;
  state_ = State::kExtension;
  return ++extra_ > limits_.max_extra_bytes ? kTooMuchExtra : kTaken;
}

void HttpBody::begin_chunk() { state_ = left_ == 0 ? State::kTrailer : State::kData; }

HttpRefusal HttpBody::read_trailer(char c) {
  if (++extra_ > limits_.max_extra_bytes + 2) return kTooMuchExtra;
  switch (state_) {
    case State::kTrailer:
      if (c == '\r') {
        state_ = State::kLastFeed;
        return kTaken;
      }
      state_ = State::kTrailerName;
      return is_token({&c, 1}) ? kTaken : kMalformed;
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        return kTaken;
      }
      return is_token({&c, 1}) ? kTaken : kMalformed;
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerEnd;
        return kTaken;
      }
      return is_field_value({&c, 1}) ? kTaken : kMalformed;
    case State::kTrailerEnd:
      state_ = State::kTrailer;
      return c == '\n' ? kTaken : kMalformed;
    default:  // kLastFeed
      state_ = State::kDone;
      return c == '\n' ? kTaken : kMalformed;
  }
}

}  // namespace tamis::serve
