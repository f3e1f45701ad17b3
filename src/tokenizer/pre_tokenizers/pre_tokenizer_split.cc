// Pre-tokenizers that cut at a pattern: Split, Punctuation, Digits, CharDelimiterSplit,
// WhitespaceSplit, FixedLength.
#include "tokenizer/chars.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/pattern.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"

namespace tamis::tokenizer {

namespace {

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void split(Text& text, Scratch& scratch) const override {
    split_pieces(text, [&](const Piece& piece) {
      scratch.matches.clear();
      pattern_.find_all(text.view(piece), scratch.regex, scratch.matches);
      scratch.segments.clear();
      uint32_t done = piece.begin;
      const auto add = [&](uint32_t begin, uint32_t end, bool is_match) {
        scratch.segments.push_back({begin, end, is_match != invert_});
      };
      for (const Match& match : scratch.matches) {
        const uint32_t begin = piece.begin + match.begin;
        if (done != begin) add(done, begin, false);
        done = piece.begin + match.end;
        add(begin, done, true);
      }
      if (done != piece.end) add(done, piece.end, false);
      cut_segments(text, piece, scratch.segments, behavior_);
    });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// Cuts at characters of some classes.
class ClassPreTokenizer : public PreTokenizer {
 public:
  ClassPreTokenizer(uint32_t class_bits, SplitBehavior behavior)
      : class_bits_(class_bits), behavior_(behavior) {}
  void split(Text& text, Scratch& scratch) const override {
    split_pieces(text, [&](const Piece& piece) {
      character_segments(
          text, piece, [this](char32_t c) { return has_class(c, class_bits_); }, scratch.segments);
      cut_segments(text, piece, scratch.segments, behavior_);
    });
  }

 private:
  uint32_t class_bits_;
  SplitBehavior behavior_;
};

class DelimiterPreTokenizer : public PreTokenizer {
 public:
  explicit DelimiterPreTokenizer(char32_t delimiter) : delimiter_(delimiter) {}
  void split(Text& text, Scratch& scratch) const override {
    split_pieces(text, [&](const Piece& piece) {
      character_segments(
          text, piece, [this](char32_t c) { return c == delimiter_; }, scratch.segments);
      cut_segments(text, piece, scratch.segments, SplitBehavior::kRemoved);
    });
  }

 private:
  char32_t delimiter_;
};

class FixedLengthPreTokenizer : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(int64_t length) : length_(length) {}
  void split(Text& text, Scratch&) const override {
    split_pieces(text, [&](const Piece& piece) {
      const std::string_view bytes = text.bytes();
      for (uint32_t at = piece.begin; at < piece.end;) {
        uint32_t end = at;
        for (int64_t i = 0; i < length_ && end < piece.end; ++i) end += utf8_size(bytes[end]);
        text.cut(piece, at, end);
        at = end;
      }
    });
  }

 private:
  int64_t length_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_split_pre_tokenizer(const JsonView& json,
                                                       const std::string& where) {
  return std::make_unique<SplitPreTokenizer>(
      Pattern::from_json(field(json, "pattern", where), where + ".pattern"),
      behavior_from_json(field(json, "behavior", where), where + ".behavior"),
      bool_field(json, "invert", where));
}

std::unique_ptr<PreTokenizer> make_punctuation_pre_tokenizer(const JsonView& json,
                                                             const std::string& where) {
  const JsonView behavior = json.get("behavior");
  return std::make_unique<ClassPreTokenizer>(
      kPunctuation,
      behavior ? behavior_from_json(behavior, where + ".behavior") : SplitBehavior::kIsolated);
}

std::unique_ptr<PreTokenizer> make_digits_pre_tokenizer(const JsonView& json,
                                                        const std::string& where) {
  const bool individual = bool_field(json, "individual_digits", where);
  return std::make_unique<ClassPreTokenizer>(
      kNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

std::unique_ptr<PreTokenizer> make_whitespace_split_pre_tokenizer(const JsonView&,
                                                                  const std::string&) {
  return std::make_unique<ClassPreTokenizer>(kWhiteSpace, SplitBehavior::kRemoved);
}

std::unique_ptr<PreTokenizer> make_delimiter_pre_tokenizer(const JsonView& json,
                                                           const std::string& where) {
  return std::make_unique<DelimiterPreTokenizer>(char_field(json, "delimiter", where));
}

std::unique_ptr<PreTokenizer> make_fixed_length_pre_tokenizer(const JsonView& json,
                                                              const std::string& where) {
  const int64_t length = json.get("length") ? int_field(json, "length", where) : 5;
  if (length <= 0) {
    fail(ErrorCode::kCorruptData, where, ".length: ", length, "; expected 1 or more");
  }
  return std::make_unique<FixedLengthPreTokenizer>(length);
}

}  // namespace tamis::tokenizer
