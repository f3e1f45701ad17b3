// BertNormalizer: clean text, spaces around CJK, strip accents, lower case.
#include <array>

#include "tokenizer/chars.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/normalizers/normal_forms.h"
#include "tokenizer/normalizers/normalizer.h"

namespace tamis::tokenizer {

namespace {

struct BertOptions {
  bool clean_text;
  bool handle_chinese_chars;
  bool strip_accents;
  bool lowercase;
};

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertOptions& options) : options_(options) {
    for (char32_t c = 0; c < 128; ++c) {
      char32_t out = c;
      if (options.clean_text && has_class(c, kBertRemoved)) {
        removed_[c] = 1;
      } else if (options.clean_text && has_class(c, kBertSpace)) {
        out = ' ';
      } else if (options.lowercase && c >= 'A' && c <= 'Z') {
        out = c + ('a' - 'A');
      }
      ascii_[c] = static_cast<char>(out);
    }
  }

  void normalize(Text& text, Scratch& scratch) const override {
    if (text.identity() && normalize_ascii(text)) return;
    if (options_.clean_text) clean(text);
    if (options_.handle_chinese_chars) space_chinese(text);
    if (options_.strip_accents) {
      apply_normal_form(text, scratch, NormalForm::kNfd);
      filter_characters(text, kNonspacingMark);
    }
    if (options_.lowercase) apply_lowercase(text);
  }

 private:
  /// All in place, unless a character has to go; then nothing but white space and case was changed.
  bool normalize_ascii(Text& text) const {
    uint8_t removed = 0;
    for (char& byte : text.mutable_bytes()) {
      const auto c = static_cast<unsigned char>(byte);
      removed |= removed_[c];
      byte = ascii_[c];
    }
    return removed == 0;
  }

  void clean(Text& text) const {
    Rewriter rewriter(text);
    rewriter.begin(text.pieces[0]);
    while (!rewriter.rest().empty()) {
      const char32_t c = decode_utf8(rewriter.rest().data());
      if (has_class(c, kBertRemoved)) {
        rewriter.drop(1);
      } else {
        rewriter.replace(has_class(c, kBertSpace) ? U' ' : c);
      }
    }
    text.pieces[0] = rewriter.end();
    rewriter.commit();
  }

  static void space_chinese(Text& text) {
    const std::string_view bytes = text.bytes();
    bool any = false;
    for (size_t i = 0; i < bytes.size() && !any; i += utf8_size(bytes[i])) {
      any = has_class(decode_utf8(bytes.data() + i), kCjk);
    }
    if (!any) return;
    Rewriter rewriter(text);
    rewriter.begin(text.pieces[0]);
    while (!rewriter.rest().empty()) {
      const char32_t c = decode_utf8(rewriter.rest().data());
      if (!has_class(c, kCjk)) {
        rewriter.keep(utf8_size(c));
        continue;
      }
      rewriter.replace(U' ');
      rewriter.insert(c);
      rewriter.insert(U' ');
    }
    text.pieces[0] = rewriter.end();
    rewriter.commit();
  }

  BertOptions options_;
  std::array<char, 128> ascii_{};
  std::array<uint8_t, 128> removed_{};
};

}  // namespace

std::unique_ptr<Normalizer> make_bert_normalizer(const JsonView& json, const std::string& where) {
  BertOptions options{};
  options.clean_text = bool_field(json, "clean_text", where);
  options.handle_chinese_chars = bool_field(json, "handle_chinese_chars", where);
  options.lowercase = bool_field(json, "lowercase", where);
  options.strip_accents = bool_field_or(json, "strip_accents", options.lowercase, where);
  return std::make_unique<BertNormalizer>(options);
}

}  // namespace tamis::tokenizer
