// Character classes under the names of the components that use them.
//
// Is: a thin layer over the measured tables. Is not: Unicode's own definitions. May use: unicode.
#pragma once

#include "tokenizer/unicode/unicode.h"

namespace tamis::tokenizer {

[[nodiscard]] constexpr bool is_ascii_space(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D);
}
[[nodiscard]] constexpr bool is_ascii_punctuation(char32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
         (c >= 0x7B && c <= 0x7E);
}

[[nodiscard]] inline bool is_whitespace(char32_t c) { return has_class(c, kWhiteSpace); }
[[nodiscard]] inline bool is_word(char32_t c) { return has_class(c, kWord); }

}  // namespace tamis::tokenizer
