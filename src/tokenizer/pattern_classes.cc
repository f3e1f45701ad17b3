// Writes Unicode classes of a pattern out as ranges of code points.
#include "base/error.h"
#include "base/json.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

void append_hex(std::string& out, char32_t c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out += "\\x{";
  bool started = false;
  for (int shift = 20; shift >= 0; shift -= 4) {
    const auto digit = static_cast<size_t>(c >> shift & 15);
    started = started || digit != 0 || shift == 0;
    if (started) out += kDigits[digit];
  }
  out += '}';
}

void append_range(std::string& out, char32_t first, char32_t last) {
  if (first > last) return;
  append_hex(out, first);
  if (first == last) return;
  out += '-';
  append_hex(out, last);
}

/// Ranges without surrogates, which no text has and Oniguruma refuses.
std::string ranges_text(std::string_view name, const std::string& where) {
  const auto ranges = class_ranges(name);
  if (!ranges) {
    fail(ErrorCode::kCorruptData, where, ": unknown character class ", json_quote(name));
  }
  std::string out;
  for (const CodePointRange& range : *ranges) {
    if (range.first < 0xD800 && range.last > 0xDFFF) {
      append_range(out, range.first, 0xD7FF);
      append_range(out, 0xE000, range.last);
    } else if (range.last < 0xD800 || range.first > 0xDFFF) {
      append_range(out, range.first, range.last);
    }
  }
  return out;
}

// \w written out takes 20 kB; a pattern of a few dozen classes fits.
constexpr size_t kMaxRewritten = size_t{4} << 20;

class ClassRewriter {
 public:
  ClassRewriter(std::string_view pattern, const std::string& where)
      : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      if (out_.size() > kMaxRewritten) {
        fail(ErrorCode::kCorruptData, where_, ": pattern names too many character classes");
      }
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (depth_ > 0 && pattern_.substr(at_).starts_with("[:")) {
        posix_bracket();
      } else if (c == '[') {
        open_class();
      } else {
        if (c == ']' && depth_ > 0) --depth_;
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  void open_class() {
    out_ += '[';
    ++at_;
    ++depth_;
    if (at_ < pattern_.size() && pattern_[at_] == '^') {
      out_ += '^';
      ++at_;
    }
    // A bracket right after the opening one stands for itself.
    if (at_ < pattern_.size() && pattern_[at_] == ']') {
      out_ += "\\]";
      ++at_;
    }
  }

  void add_class(std::string_view name, bool negated) {
    add_ranges(ranges_text(name, where_), negated);
  }

  void add_ranges(const std::string& ranges, bool negated) {
    if (depth_ > 0 && !negated) {
      out_ += ranges;
    } else if (ranges.empty()) {
      // An empty class: nothing, or anything.
      out_ += negated ? "[\\x{0}-\\x{10FFFF}]" : "[^\\x{0}-\\x{10FFFF}]";
    } else {
      out_.append(negated ? "[^" : "[").append(ranges) += ']';
    }
  }

  void word_boundary(bool negated) {
    const std::string word = "[" + ranges_text("\\w", where_) + "]";
    const std::string side =
        negated ? "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))"
                : "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))";
    out_ += side;
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) {
      out_ += pattern_[at_++];
      return;
    }
    const char kind = pattern_[at_ + 1];
    switch (kind) {
      case 'w':
      case 'd':
      case 's':
        add_class(std::string{'\\', kind}, false);
        at_ += 2;
        return;
      case 'W':
      case 'D':
      case 'S':
        add_class(std::string{'\\', static_cast<char>(kind - 'A' + 'a')}, true);
        at_ += 2;
        return;
      case 'p':
      case 'P':
        property(kind == 'P');
        return;
      case 'b':
      case 'B':
        if (depth_ == 0) {
          word_boundary(kind == 'B');
          at_ += 2;
          return;
        }
        break;
      default:
        break;
    }
    const size_t size = 1 + utf8_size(kind);
    out_ += pattern_.substr(at_, size);
    at_ += size;
  }

  void property(bool negated) {
    const size_t end = pattern_.find('}', at_);
    if (at_ + 2 >= pattern_.size() || pattern_[at_ + 2] != '{' || end == std::string_view::npos) {
      out_ += pattern_.substr(at_, 2);
      at_ += 2;
      return;
    }
    std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    add_class(name, negated);
    at_ = end + 1;
  }

  void posix_bracket() {
    const size_t end = pattern_.find(":]", at_ + 2);
    const std::string_view name =
        end == std::string_view::npos ? "" : pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    const std::string_view plain = negated ? name.substr(1) : name;
    if (plain.empty() || plain.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != plain.npos) {
      open_class();
      return;
    }
    // Oniguruma's bracket has symbols, too; its \p{punct} has not.
    const std::string symbols = plain == "punct" ? ranges_text("symbol", where_) : "";
    add_ranges(ranges_text(plain, where_) + symbols, negated);
    at_ = end + 2;
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string rewrite_unicode_classes(std::string_view pattern, const std::string& where) {
  return ClassRewriter(pattern, where).run();
}

}  // namespace tamis::tokenizer
