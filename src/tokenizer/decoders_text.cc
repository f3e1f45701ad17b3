// Decoders that work on visible text: WordPiece, BPEDecoder, CTC, Fuse, Metaspace, Strip.
#include "tokenizer/decoder.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) {
    // As Rust's str::replace: between all characters and at both ends.
    std::string out(to);
    for (size_t i = 0; i < text.size();) {
      const uint32_t size = utf8_size(text[i]);
      out.append(text, i, size).append(to);
      i += size;
    }
    text = std::move(out);
    return;
  }
  size_t at = text.find(from);
  if (at == std::string::npos) return;
  std::string out;
  size_t done = 0;
  for (; at != std::string::npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  out.append(text, done);
  text = std::move(out);
}

/// Takes back the spaces that tokenization puts around English punctuation and short forms.
void clean_up(std::string& text) {
  constexpr std::string_view kRules[][2] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& rule : kRules) replace_all(text, rule[0], rule[1]);
}

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i != 0) {
        if (token.starts_with(prefix_)) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(0, 1, ' ');
        }
      }
      if (cleanup_) clean_up(token);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

class CtcDecoder : public Decoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i] == tokens[i - 1]) continue;
      std::string text = tokens[i];
      replace_all(text, pad_, "");
      if (cleanup_) {
        clean_up(text);
        replace_all(text, delimiter_, " ");
      }
      if (!text.empty()) out.push_back(std::move(text));
    }
    tokens = std::move(out);
  }

 private:
  std::string pad_;
  std::string delimiter_;
  bool cleanup_;
};

class FuseDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.assign(1, std::move(all));
  }
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(char32_t replacement, bool prepends) : prepends_(prepends) {
    append_utf8(replacement_, replacement);
  }
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      replace_all(tokens[i], replacement_, i == 0 && prepends_ ? "" : " ");
    }
  }

 private:
  std::string replacement_;
  bool prepends_;
};

class StripDecoder : public Decoder {
 public:
  StripDecoder(char32_t content, int64_t start, int64_t stop) : start_(start), stop_(stop) {
    append_utf8(content_, content);
  }
  void decode(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      size_t begin = 0;
      for (int64_t i = 0; i < start_ && token.compare(begin, content_.size(), content_) == 0; ++i) {
        begin += content_.size();
      }
      size_t end = token.size();
      for (int64_t i = 0; i < stop_ && end >= begin + content_.size() &&
                          token.compare(end - content_.size(), content_.size(), content_) == 0;
           ++i) {
        end -= content_.size();
      }
      token = token.substr(begin, end - begin);
    }
  }

 private:
  std::string content_;
  int64_t start_;
  int64_t stop_;
};

}  // namespace

std::unique_ptr<Decoder> make_wordpiece_decoder(const JsonView& json, const std::string& where) {
  return std::make_unique<WordPieceDecoder>(std::string(string_field(json, "prefix", where)),
                                            bool_field(json, "cleanup", where));
}

std::unique_ptr<Decoder> make_bpe_decoder(const JsonView& json, const std::string& where) {
  return std::make_unique<BpeDecoder>(std::string(string_field(json, "suffix", where)));
}

std::unique_ptr<Decoder> make_ctc_decoder(const JsonView& json, const std::string& where) {
  return std::make_unique<CtcDecoder>(
      std::string(string_field(json, "pad_token", where)),
      std::string(string_field(json, "word_delimiter_token", where)),
      bool_field(json, "cleanup", where));
}

std::unique_ptr<Decoder> make_fuse_decoder(const JsonView&, const std::string&) {
  return std::make_unique<FuseDecoder>();
}

std::unique_ptr<Decoder> make_metaspace_decoder(const JsonView& json, const std::string& where) {
  const std::string_view scheme = string_field_or(json, "prepend_scheme", "always", where);
  const bool prefix = bool_field_or(json, "add_prefix_space", true, where);
  return std::make_unique<MetaspaceDecoder>(char_field(json, "replacement", where),
                                            prefix && scheme != "never");
}

std::unique_ptr<Decoder> make_strip_decoder(const JsonView& json, const std::string& where) {
  return std::make_unique<StripDecoder>(char_field(json, "content", where),
                                        int_field(json, "start", where),
                                        int_field(json, "stop", where));
}

}  // namespace tamis::tokenizer
