// The normalizers of one idea each: normal forms, Lowercase, Strip, StripAccents, Nmt, Prepend,
// ByteLevel.
#include "tokenizer/byte_level.h"
#include "tokenizer/byte_level_text.h"
#include "tokenizer/chars.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/normalizers/normal_forms.h"
#include "tokenizer/normalizers/normalizer.h"

namespace tamis::tokenizer {

namespace {

template <NormalForm kForm>
class NormalFormNormalizer : public Normalizer {
 public:
  void normalize(Text& text, Scratch& scratch) const override {
    apply_normal_form(text, scratch, kForm);
  }
};

class LowercaseNormalizer : public Normalizer {
 public:
  void normalize(Text& text, Scratch&) const override { apply_lowercase(text); }
};

class StripAccentsNormalizer : public Normalizer {
 public:
  void normalize(Text& text, Scratch&) const override {
    if (!text.identity()) filter_characters(text, kCombiningMark);
  }
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void normalize(Text& text, Scratch&) const override {
    const std::string_view bytes = text.bytes();
    size_t begin = 0;
    size_t end = bytes.size();
    while (left_ && begin < end && is_whitespace(decode_utf8(bytes.data() + begin))) {
      begin += utf8_size(bytes[begin]);
    }
    while (right_ && end > begin) {
      const size_t before = previous_code_point(bytes, end);
      if (!is_whitespace(decode_utf8(bytes.data() + before))) break;
      end = before;
    }
    if (begin > 0 || end < bytes.size()) text.trim(begin, end);
  }

 private:
  bool left_;
  bool right_;
};

/// SentencePiece's "nmt" rules: control characters go, odd white space becomes a space.
class NmtNormalizer : public Normalizer {
 public:
  void normalize(Text& text, Scratch&) const override {
    const std::string_view bytes = text.bytes();
    bool any = false;
    for (size_t i = 0; i < bytes.size() && !any; i += utf8_size(bytes[i])) {
      const char32_t c = decode_utf8(bytes.data() + i);
      any = is_removed(c) || is_space(c);
    }
    if (!any) return;
    Rewriter rewriter(text);
    rewriter.begin(text.pieces[0]);
    while (!rewriter.rest().empty()) {
      const char32_t c = decode_utf8(rewriter.rest().data());
      if (is_removed(c)) {
        rewriter.drop(1);
      } else {
        rewriter.replace(is_space(c) ? U' ' : c);
      }
    }
    text.pieces[0] = rewriter.end();
    rewriter.commit();
  }

 private:
  static bool is_removed(char32_t c) {
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           c == 0x8F || c == 0x9F;
  }
  static bool is_space(char32_t c) {
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
  }
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string_view prefix) {
    for (size_t i = 0; i < prefix.size(); i += utf8_size(prefix[i])) {
      prefix_.push_back(decode_utf8(prefix.data() + i));
    }
  }
  void normalize(Text& text, Scratch&) const override {
    if (text.bytes().empty()) return;
    Rewriter rewriter(text);
    rewriter.begin(text.pieces[0]);
    rewriter.prepend(prefix_);
    rewriter.keep(rewriter.rest().size());
    text.pieces[0] = rewriter.end();
    rewriter.commit();
  }

 private:
  std::u32string prefix_;
};

class ByteLevelNormalizer : public Normalizer {
 public:
  void normalize(Text& text, Scratch&) const override {
    if (!text.bytes().empty()) write_bytes_visibly(text);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_nfc_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<NormalFormNormalizer<NormalForm::kNfc>>();
}
std::unique_ptr<Normalizer> make_nfd_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<NormalFormNormalizer<NormalForm::kNfd>>();
}
std::unique_ptr<Normalizer> make_nfkc_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<NormalFormNormalizer<NormalForm::kNfkc>>();
}
std::unique_ptr<Normalizer> make_nfkd_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<NormalFormNormalizer<NormalForm::kNfkd>>();
}
std::unique_ptr<Normalizer> make_lowercase_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<LowercaseNormalizer>();
}
std::unique_ptr<Normalizer> make_strip_accents_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<StripAccentsNormalizer>();
}
std::unique_ptr<Normalizer> make_strip_normalizer(const JsonView& json, const std::string& where) {
  const bool left = bool_field(json, "strip_left", where);
  const bool right = bool_field(json, "strip_right", where);
  return std::make_unique<StripNormalizer>(left, right);
}
std::unique_ptr<Normalizer> make_nmt_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<NmtNormalizer>();
}
std::unique_ptr<Normalizer> make_prepend_normalizer(const JsonView& json,
                                                    const std::string& where) {
  return std::make_unique<PrependNormalizer>(string_field(json, "prepend", where));
}
std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonView&, const std::string&) {
  return std::make_unique<ByteLevelNormalizer>();
}

}  // namespace tamis::tokenizer
