// The tokens <0x00> .. <0xFF> that stand for bytes of characters a vocabulary lacks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tokenizer/vocab.h"

namespace tamis::tokenizer {

struct ByteTokens {
  /// -1 where the vocabulary lacks the byte too.
  std::array<int32_t, 256> ids{};

  [[nodiscard]] int32_t id(char byte) const { return ids[static_cast<unsigned char>(byte)]; }
  [[nodiscard]] bool covers(std::string_view text) const {
    for (const char byte : text) {
      if (id(byte) < 0) return false;
    }
    return true;
  }
};

[[nodiscard]] inline ByteTokens find_byte_tokens(const Vocab& vocab) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  ByteTokens tokens;
  for (size_t byte = 0; byte < 256; ++byte) {
    const char name[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    tokens.ids[byte] = vocab.find(std::string_view(name, sizeof(name)));
  }
  return tokens;
}

}  // namespace tamis::tokenizer
