// The visible characters that byte-level BPE writes bytes as (GPT-2's table).
//
// Is: byte <-> character. Is not: the pattern that cuts words. May use: nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tamis::tokenizer {

/// Bytes that are visible in Latin-1 stand for themselves; the others follow from U+0100.
constexpr bool byte_level_is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> make_byte_level_characters() {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    table[static_cast<size_t>(byte)] =
        byte_level_is_visible(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return table;
}

inline constexpr std::array<char32_t, 256> kByteLevelCharacters = make_byte_level_characters();

/// The byte that `c` stands for, -1 if none. Characters 0x100..0x143 are the 68 hidden bytes.
[[nodiscard]] constexpr int byte_level_byte(char32_t c) {
  if (c > 0x143) return -1;
  if (c < 0x100) return byte_level_is_visible(static_cast<int>(c)) ? static_cast<int>(c) : -1;
  for (int byte = 0; byte < 256; ++byte) {
    if (kByteLevelCharacters[static_cast<size_t>(byte)] == c) return byte;
  }
  return -1;
}

}  // namespace tamis::tokenizer
