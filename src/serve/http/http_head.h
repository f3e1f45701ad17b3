// The head of an HTTP/1 request: what its bytes say, and where its body ends.
//
// Is: a pure function over bytes, as strict as RFC 9112 asks, since two readers that see different
// requests in the same bytes let one be smuggled past the other. Is not: a body (http_body) or a
// socket. May use: http_message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serve/http/http_message.h"

namespace tamis::serve {

/// Why a request is refused; status 0: it is not.
struct HttpRefusal {
  int status = 0;
  std::string_view reason = {};
  [[nodiscard]] explicit operator bool() const { return status != 0; }
};

enum class HttpBodyKind : uint8_t { kNone, kLength, kChunked };

struct HttpHead {
  std::string method;
  std::string path;   ///< as it came, without authority and query; repeated slashes are one
  std::string query;  ///< as it came, without the '?'
  /// In order, names as they came. In absolute-form Host is the target's authority.
  HttpHeaders headers;
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expects_continue = false;
  HttpBodyKind body = HttpBodyKind::kNone;
  uint64_t content_length = 0;
};

/// Fields of one request.
inline constexpr size_t kMaxHttpFields = 256;

/// The bytes of the head with its empty line; 0: the end is not there yet. `from`: where the last
/// search over the same bytes stopped, moved on.
[[nodiscard]] size_t find_head_end(std::string_view bytes, size_t& from);

/// Reads a whole head, its empty line included. What a refused head said before the fault is in
/// `head`, so that the refusal takes its route's form.
[[nodiscard]] HttpRefusal parse_head(std::string_view bytes, HttpHead& head);

/// RFC 9110's token: a method or a field's name.
[[nodiscard]] bool is_token(std::string_view text);

/// A field's value: visible characters, bytes from 0x80, spaces and tabs.
[[nodiscard]] bool is_field_value(std::string_view text);

}  // namespace tamis::serve
