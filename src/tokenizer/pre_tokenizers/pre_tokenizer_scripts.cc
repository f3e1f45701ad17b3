// UnicodeScripts: cuts where the script of the text changes.
#include <vector>

#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/unicode/unicode.h"

namespace tamis::tokenizer {

namespace {

/// Script numbers: 0 belongs to any script.
constexpr uint8_t kAnyScript = 0;

// The scripts that the library's own table knows.
constexpr std::string_view kScripts[] = {
#define TAMIS_SCRIPT(name) #name,
#include "tokenizer/pre_tokenizers/scripts.inc"
#undef TAMIS_SCRIPT
};

// The library's own table is older than the one its patterns use: what it does not list belongs to
// any script.
constexpr CodePointRange kScripted[] = {
#define TAMIS_SCRIPTED(first, last) {first, last},
#include "tokenizer/pre_tokenizers/script_ranges.inc"
#undef TAMIS_SCRIPTED
};

// What the library's older table has under another script than Unicode has today.
struct MovedRange {
  char32_t first;
  char32_t last;
  std::string_view script;
};
constexpr MovedRange kMoved[] = {
    {0x589, 0x589, "Common"}, {0x61C, 0x61C, "Common"}, {0x953, 0x954, "Devanagari"}};

class UnicodeScriptsPreTokenizer : public PreTokenizer {
 public:
  UnicodeScriptsPreTokenizer() : scripts_(kLastCodePoint + 1, kAnyScript) {
    uint8_t number = 0;
    for (const std::string_view name : kScripts) {
      ++number;
      if (name == "Han") han_ = number;
      // SentencePiece writes Japanese as one script.
      const bool japanese = name == "Hiragana" || name == "Katakana";
      const auto ranges = class_ranges(name);
      if (!ranges) continue;
      for (const CodePointRange& range : *ranges) {
        for (char32_t c = range.first; c <= range.last; ++c) {
          scripts_[c] = japanese ? kJapanese : number;
        }
      }
    }
    move_old_ranges();
    scripts_[0x30FC] = kJapanese;
    std::vector<uint8_t> listed(scripts_.size(), kAnyScript);
    for (const CodePointRange& range : kScripted) {
      for (char32_t c = range.first; c <= range.last; ++c) {
        listed[c] = scripts_[c] == kJapanese ? han_ : scripts_[c];
      }
    }
    scripts_ = std::move(listed);
    scripts_[U' '] = kAnyScript;
  }

  void split(Text& text, Scratch&) const override {
    const std::string_view bytes = text.bytes();
    split_pieces(text, [&](const Piece& piece) {
      bool started = false;
      uint8_t last = kAnyScript;
      size_t begin = piece.begin;
      for (size_t at = piece.begin; at < piece.end; at += utf8_size(bytes[at])) {
        const uint8_t script = scripts_[decode_utf8(bytes.data() + at)];
        if (script == kAnyScript) continue;
        if (!started || last != script) {
          // What stands before the first character that has a script is dropped, as in the library.
          if (started) text.cut(piece, begin, at);
          begin = at;
          started = true;
        }
        last = script;
      }
      if (started) text.cut(piece, begin, piece.end);
    });
  }

 private:
  void move_old_ranges() {
    for (const MovedRange& range : kMoved) {
      uint8_t number = 0;
      for (const std::string_view name : kScripts) {
        ++number;
        if (name != range.script) continue;
        for (char32_t c = range.first; c <= range.last; ++c) scripts_[c] = number;
      }
    }
  }

  static constexpr uint8_t kJapanese = 255;
  std::vector<uint8_t> scripts_;
  uint8_t han_ = 0;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_unicode_scripts_pre_tokenizer(const JsonView&,
                                                                 const std::string&) {
  return std::make_unique<UnicodeScriptsPreTokenizer>();
}

}  // namespace tamis::tokenizer
