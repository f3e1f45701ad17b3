// UTF-8, one code point at a time.
//
// Is: decoding of text that was checked once at the door, beside the encoding of base/utf8.h. Is
// not: tolerant; only find_invalid_utf8 looks at unchecked bytes. May use: base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace tamis::tokenizer {

/// Offset of the first byte that is not part of well-formed UTF-8; npos if there is none.
[[nodiscard]] size_t find_invalid_utf8(std::string_view text);
/// Throws Error{kInvalidArgument} naming the first byte that is none of UTF-8's.
void require_utf8(std::string_view text);

[[nodiscard]] bool is_ascii(std::string_view text);

/// Number of code points of valid UTF-8.
[[nodiscard]] size_t count_code_points(std::string_view text);

/// Bytes of the code point that begins with `lead`.
[[nodiscard]] inline uint32_t utf8_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

[[nodiscard]] inline uint32_t utf8_size(char32_t c) {
  if (c < 0x80) return 1;
  if (c < 0x800) return 2;
  return c < 0x10000 ? 3 : 4;
}

[[nodiscard]] inline bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// The code point that begins at `at`, which must be a boundary inside valid UTF-8.
[[nodiscard]] inline char32_t decode_utf8(const char* at) {
  const auto byte = [at](int i) {
    return static_cast<char32_t>(static_cast<unsigned char>(at[i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return (lead & 0x1F) << 6 | (byte(1) & 0x3F);
  if (lead < 0xF0) return (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

using tamis::append_utf8;
using tamis::encode_utf8;

/// Start of the code point before `at`; at > begin.
[[nodiscard]] inline size_t previous_code_point(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && is_continuation(text[at]));
  return at;
}

}  // namespace tamis::tokenizer
