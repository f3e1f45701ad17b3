#include "tasks/words.h"

#include <cstdint>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/utf8.h"

namespace tamis::tasks {

namespace {

// str.isalnum() or an underscore; combining marks are neither.
bool is_word(char32_t c) {
  return c == U'_' || tokenizer::in_categories(c, tokenizer::kLetters | tokenizer::kNumbers);
}

// str.isspace(): White_Space, and the four separators of ASCII that Unicode counts as controls.
bool is_space(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || tokenizer::has_class(c, tokenizer::kWhiteSpace);
}

/// A place in a text, in bytes and in code points.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return byte_ == text_.size(); }
  /// Not at the end.
  [[nodiscard]] char32_t peek() const { return tokenizer::decode_utf8(text_.data() + byte_); }
  void step() {
    byte_ += tokenizer::utf8_size(text_[byte_]);
    ++code_point_;
  }
  void skip_word() {
    while (!at_end() && is_word(peek())) step();
  }
  /// Over a hyphen with a word behind it, if that is next.
  bool skip_hyphenated() {
    if (at_end() || peek() != U'-') return false;
    Cursor next = *this;
    next.step();
    if (next.at_end() || !is_word(next.peek())) return false;
    next.skip_word();
    *this = next;
    return true;
  }
  [[nodiscard]] Word since(const Cursor& begin) const {
    return {text_.substr(begin.byte_, byte_ - begin.byte_), {begin.code_point_, code_point_}};
  }

 private:
  std::string_view text_;
  size_t byte_ = 0;
  int32_t code_point_ = 0;
};

}  // namespace

// Underscores are words themselves, so that only hyphens join.
std::vector<Word> split_words(std::string_view text) {
  std::vector<Word> words;
  for (Cursor at(text); !at.at_end();) {
    const Cursor begin = at;
    const char32_t first = at.peek();
    at.step();
    if (is_space(first)) continue;
    if (is_word(first)) {
      at.skip_word();
      while (at.skip_hyphenated()) {
      }
    }
    words.push_back(at.since(begin));
  }
  return words;
}

}  // namespace tamis::tasks
