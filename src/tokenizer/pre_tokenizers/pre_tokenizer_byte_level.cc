// ByteLevel: GPT-2's pattern, then bytes as visible characters.
//
// The pattern, matched here by hand:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#include <array>

#include "tokenizer/byte_level.h"
#include "tokenizer/byte_level_text.h"
#include "tokenizer/chars.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace tamis::tokenizer {

namespace {

enum Kind : uint8_t { kOtherChar, kLetter, kNumber, kSpaceChar };

Kind unicode_kind(char32_t c) {
  const uint32_t word = properties(c);
  if (word_in_categories(word, kLetters)) return kLetter;
  if (word_in_categories(word, kNumbers)) return kNumber;
  return (word & kWhiteSpace) != 0 ? kSpaceChar : kOtherChar;
}

constexpr std::array<uint8_t, 128> make_ascii_kinds() {
  std::array<uint8_t, 128> kinds{};
  for (char32_t c = 0; c < 128; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) kinds[c] = kLetter;
    if (c >= '0' && c <= '9') kinds[c] = kNumber;
    if (is_ascii_space(c)) kinds[c] = kSpaceChar;
  }
  return kinds;
}

constexpr auto kAsciiKinds = make_ascii_kinds();

/// Finds the end of the match that begins at a place in `bytes`.
class Gpt2Matcher {
 public:
  explicit Gpt2Matcher(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] size_t match_end(size_t at) const {
    const char c = bytes_[at];
    if (c == '\'') {
      const size_t size = contraction_size(at);
      if (size > 0) return at + size;
    }
    const size_t word = at + (c == ' ' && at + 1 < bytes_.size() ? 1 : 0);
    const Kind kind = kind_at(word);
    if (kind != kSpaceChar) return run_end(word, kind);
    return space_end(at);
  }

 private:
  [[nodiscard]] Kind kind_at(size_t at) const {
    const auto lead = static_cast<unsigned char>(bytes_[at]);
    return lead < 128 ? static_cast<Kind>(kAsciiKinds[lead])
                      : unicode_kind(decode_utf8(bytes_.data() + at));
  }

  [[nodiscard]] size_t run_end(size_t at, Kind kind) const {
    while (at < bytes_.size() && kind_at(at) == kind) at += utf8_size(bytes_[at]);
    return at;
  }

  /// All white space at the end of the text; else all but the last, which begins the next word; a
  /// single one stands alone.
  [[nodiscard]] size_t space_end(size_t at) const {
    const size_t end = run_end(at, kSpaceChar);
    if (end == bytes_.size()) return end;
    const size_t before_last = previous_code_point(bytes_, end);
    return before_last > at ? before_last : end;
  }

  [[nodiscard]] size_t contraction_size(size_t at) const {
    constexpr std::string_view kEndings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    const std::string_view rest = bytes_.substr(at + 1);
    for (const std::string_view ending : kEndings) {
      if (rest.starts_with(ending)) return 1 + ending.size();
    }
    return 0;
  }

  std::string_view bytes_;
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void split(Text& text, Scratch&) const override {
    if (add_prefix_space_) add_prefixes(text);
    if (use_regex_) {
      split_pieces(text, [&](const Piece& piece) {
        const Gpt2Matcher matcher(text.bytes().substr(0, piece.end));
        for (size_t at = piece.begin; at < piece.end;) {
          const size_t end = matcher.match_end(at);
          text.cut(piece, at, end);
          at = end;
        }
      });
    }
    if (!raw_) write_bytes_visibly(text);
  }

  [[nodiscard]] bool ends_with_byte_level() const override { return true; }
  void leave_bytes_raw() override { raw_ = true; }

 private:
  static void add_prefixes(Text& text) {
    const std::string_view bytes = text.bytes();
    bool any = false;
    for (const Piece& piece : text.pieces) {
      any = any || (piece.token == kNoToken && bytes[piece.begin] != ' ');
    }
    if (!any) return;
    Rewriter rewriter(text);
    for (Piece& piece : text.pieces) {
      rewriter.begin(piece);
      if (piece.token == kNoToken && rewriter.rest()[0] != ' ') rewriter.prepend(U" ");
      rewriter.keep(rewriter.rest().size());
      piece = rewriter.end();
    }
    rewriter.commit();
  }

  bool add_prefix_space_;
  bool use_regex_;
  bool raw_ = false;
};

}  // namespace

void write_bytes_visibly(Text& text) {
  Rewriter rewriter(text);
  for (Piece& piece : text.pieces) {
    rewriter.begin(piece);
    if (piece.token != kNoToken) rewriter.keep(rewriter.rest().size());
    while (!rewriter.rest().empty()) {
      const std::string_view rest = rewriter.rest();
      const uint32_t size = utf8_size(rest[0]);
      const auto visible = [&](uint32_t i) {
        return kByteLevelCharacters[static_cast<unsigned char>(rest[i])];
      };
      rewriter.replace(visible(0));
      for (uint32_t i = 1; i < size; ++i) rewriter.insert(visible(i));
    }
    piece = rewriter.end();
  }
  rewriter.commit();
}

std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const JsonView& json,
                                                            const std::string& where) {
  return std::make_unique<ByteLevelPreTokenizer>(bool_field(json, "add_prefix_space", where),
                                                 bool_field_or(json, "use_regex", true, where));
}

}  // namespace tamis::tokenizer
