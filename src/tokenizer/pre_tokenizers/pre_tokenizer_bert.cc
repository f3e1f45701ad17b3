// BertPreTokenizer: words between white space, each punctuation character on its own.
#include <array>

#include "tokenizer/chars.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace tamis::tokenizer {

namespace {

enum Kind : uint8_t { kInWord, kSpaceChar, kPunctChar };

constexpr std::array<uint8_t, 128> make_ascii_kinds() {
  std::array<uint8_t, 128> kinds{};
  for (char32_t c = 0; c < 128; ++c) {
    if (is_ascii_space(c)) kinds[c] = kSpaceChar;
    if (is_ascii_punctuation(c)) kinds[c] = kPunctChar;
  }
  return kinds;
}

constexpr auto kAsciiKinds = make_ascii_kinds();

Kind kind_of(char32_t c) {
  if (c < 128) return static_cast<Kind>(kAsciiKinds[c]);
  if (is_whitespace(c)) return kSpaceChar;
  return has_class(c, kPunctuation) ? kPunctChar : kInWord;
}

class BertPreTokenizer : public PreTokenizer {
 public:
  void split(Text& text, Scratch&) const override {
    const std::string_view bytes = text.bytes();
    split_pieces(text, [&](const Piece& piece) {
      size_t word = piece.begin;
      size_t at = piece.begin;
      while (at < piece.end) {
        const auto lead = static_cast<unsigned char>(bytes[at]);
        const bool ascii = lead < 128;
        const Kind kind =
            ascii ? static_cast<Kind>(kAsciiKinds[lead]) : kind_of(decode_utf8(bytes.data() + at));
        const uint32_t size = ascii ? 1 : utf8_size(bytes[at]);
        if (kind != kInWord) {
          text.cut(piece, word, at);
          if (kind == kPunctChar) text.cut(piece, at, at + size);
          word = at + size;
        }
        at += size;
      }
      text.cut(piece, word, piece.end);
    });
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const JsonView&, const std::string&) {
  return std::make_unique<BertPreTokenizer>();
}

}  // namespace tamis::tokenizer
