// Replace: every match of a string or a pattern becomes another string. Normalizer and decoder.
#include <optional>

#include "tokenizer/decoder.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/pattern.h"

namespace tamis::tokenizer {

namespace {

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(Pattern pattern, std::string_view content) : pattern_(std::move(pattern)) {
    for (size_t i = 0; i < content.size(); i += utf8_size(content[i])) {
      content_.push_back(decode_utf8(content.data() + i));
    }
  }

  void normalize(Text& text, Scratch& scratch) const override {
    if (text.bytes().empty()) return;
    scratch.matches.clear();
    pattern_.find_all(text.bytes(), scratch.regex, scratch.matches);
    if (scratch.matches.empty()) return;
    Rewriter rewriter(text);
    rewriter.begin(text.pieces[0]);
    size_t at = 0;
    for (const Match& match : scratch.matches) {
      rewriter.keep(match.begin - at);
      rewriter.drop_bytes(match.end - match.begin);
      for (const char32_t c : content_) rewriter.insert(c);
      at = match.end;
    }
    rewriter.keep(rewriter.rest().size());
    text.pieces[0] = rewriter.end();
    rewriter.commit();
  }

 private:
  Pattern pattern_;
  std::u32string content_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void decode(std::vector<std::string>& tokens) const override {
    std::vector<Match> matches;
    RegexBudget budget;
    for (std::string& token : tokens) {
      matches.clear();
      if (!token.empty()) pattern_.find_all(token, budget, matches);
      if (matches.empty()) continue;
      std::string out;
      size_t at = 0;
      for (const Match& match : matches) {
        out.append(token, at, match.begin - at).append(content_);
        at = match.end;
      }
      token = out.append(token, at);
    }
  }

 private:
  Pattern pattern_;
  std::string content_;
};

}  // namespace

std::unique_ptr<Normalizer> make_replace_normalizer(const JsonView& json,
                                                    const std::string& where) {
  return std::make_unique<ReplaceNormalizer>(
      Pattern::from_json(field(json, "pattern", where), where + ".pattern"),
      string_field(json, "content", where));
}

std::unique_ptr<Decoder> make_replace_decoder(const JsonView& json, const std::string& where) {
  return std::make_unique<ReplaceDecoder>(
      Pattern::from_json(field(json, "pattern", where), where + ".pattern"),
      std::string(string_field(json, "content", where)));
}

}  // namespace tamis::tokenizer
