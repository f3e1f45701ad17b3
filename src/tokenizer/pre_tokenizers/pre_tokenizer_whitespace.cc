// Whitespace: runs of word characters, and runs of what is neither word nor space: \w+|[^\w\s]+.
#include <array>

#include "tokenizer/chars.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace tamis::tokenizer {

namespace {

enum Kind : uint8_t { kOtherChar, kInWord, kSpaceChar };

Kind kind_of(char32_t c) {
  const uint32_t bits = properties(c);
  if ((bits & kWord) != 0) return kInWord;
  return (bits & kWhiteSpace) != 0 ? kSpaceChar : kOtherChar;
}

class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void split(Text& text, Scratch&) const override {
    const std::string_view bytes = text.bytes();
    split_pieces(text, [&](const Piece& piece) {
      size_t run = piece.begin;
      Kind run_kind = kSpaceChar;
      for (size_t at = piece.begin; at < piece.end; at += utf8_size(bytes[at])) {
        const Kind kind = kind_of(decode_utf8(bytes.data() + at));
        if (kind == run_kind) continue;
        if (run_kind != kSpaceChar) text.cut(piece, run, at);
        run = at;
        run_kind = kind;
      }
      if (run_kind != kSpaceChar) text.cut(piece, run, piece.end);
    });
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_whitespace_pre_tokenizer(const JsonView&, const std::string&) {
  return std::make_unique<WhitespacePreTokenizer>();
}

}  // namespace tamis::tokenizer
