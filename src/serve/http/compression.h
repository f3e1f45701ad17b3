// gzip and deflate of HTTP bodies.
//
// Is: the one user of zlib in this module. Is not: a choice of when (server). May use: base.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serve/batching/byte_budget.h"

namespace tamis::serve {

/// Undoes Content-Encoding gzip or deflate (zlib's form). Throws Error: kCorruptData for broken
/// bytes, StatusError 413 for more than `max_bytes`, 415 for another encoding, 503 if `charge`,
/// where there is one, finds no room for the bytes in its budget; it is theirs afterwards.
[[nodiscard]] std::string decompress_body(std::string_view encoding, std::string_view body,
                                          size_t max_bytes, ByteCharge* charge = nullptr);

/// "gzip" or "deflate", the better that an Accept-Encoding header takes; empty: neither.
[[nodiscard]] std::string_view accepted_encoding(std::string_view accept);

[[nodiscard]] std::string compress_body(std::string_view encoding, std::string_view body);

}  // namespace tamis::serve
