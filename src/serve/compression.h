// gzip and deflate of HTTP bodies.
//
// Is: the one user of zlib in this module. Is not: a choice of when (server). May use: base.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tamis::serve {

/// Undoes Content-Encoding gzip or deflate (zlib's form). Throws Error: kCorruptData for broken
/// bytes, kInvalidArgument for another encoding or more than `max_bytes`.
[[nodiscard]] std::string decompress_body(std::string_view encoding, std::string_view body,
                                          size_t max_bytes);

/// "gzip" or "deflate", the better that an Accept-Encoding header takes; empty: neither.
[[nodiscard]] std::string_view accepted_encoding(std::string_view accept);

[[nodiscard]] std::string compress_body(std::string_view encoding, std::string_view body);

}  // namespace tamis::serve
