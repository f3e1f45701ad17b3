// Metaspace: spaces become a visible character, and words begin with it.
#include "tokenizer/json_fields.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace tamis::tokenizer {

namespace {

enum class PrependScheme : uint8_t { kFirst, kNever, kAlways };

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  MetaspacePreTokenizer(char32_t replacement, PrependScheme scheme, bool split)
      : replacement_(1, replacement), scheme_(scheme), split_(split) {
    append_utf8(replacement_bytes_, replacement);
  }

  void split(Text& text, Scratch&) const override {
    replace_spaces(text);
    if (!split_) {
      split_pieces(text, [&](const Piece& piece) { text.next_pieces.push_back(piece); });
      return;
    }
    split_pieces(text, [&](const Piece& piece) {
      const std::string_view bytes = text.bytes().substr(0, piece.end);
      size_t begin = piece.begin;
      while (begin < piece.end) {
        const size_t next = bytes.find(replacement_bytes_, begin + 1);
        const size_t end = next == std::string_view::npos ? piece.end : next;
        text.cut(piece, begin, end);
        begin = end;
      }
    });
  }

 private:
  void replace_spaces(Text& text) const {
    Rewriter rewriter(text);
    for (Piece& piece : text.pieces) {
      rewriter.begin(piece);
      if (piece.token == kNoToken) rewrite(rewriter, piece);
      rewriter.keep(rewriter.rest().size());
      piece = rewriter.end();
    }
    rewriter.commit();
  }

  void rewrite(Rewriter& rewriter, const Piece& piece) const {
    const char first = rewriter.rest()[0];
    const bool has_prefix = first == ' ' || rewriter.rest().starts_with(replacement_bytes_);
    const bool wanted = scheme_ == PrependScheme::kAlways ||
                        (scheme_ == PrependScheme::kFirst && piece.origin == 0);
    if (wanted && !has_prefix) rewriter.prepend(replacement_);
    for (;;) {
      const std::string_view rest = rewriter.rest();
      const size_t space = rest.find(' ');
      if (space == std::string_view::npos) return;
      rewriter.keep(space);
      rewriter.replace(replacement_[0]);
    }
  }

  std::u32string replacement_;
  std::string replacement_bytes_;
  PrependScheme scheme_;
  bool split_;
};

PrependScheme scheme_from_json(const JsonView& json, const std::string& where) {
  const std::string_view name = string_field_or(json, "prepend_scheme", "always", where);
  const JsonView prefix = json.get("add_prefix_space");
  const bool no_prefix = prefix.is_bool() && !prefix.as_bool(where);
  if (name == "never") return PrependScheme::kNever;
  if (name != "first" && name != "always") {
    fail(ErrorCode::kCorruptData, where, ".prepend_scheme: ", json_quote(name),
         " is none of first, never, always");
  }
  if (no_prefix) {
    fail(ErrorCode::kCorruptData, where, ": add_prefix_space false does not match prepend_scheme ",
         json_quote(name));
  }
  return name == "first" ? PrependScheme::kFirst : PrependScheme::kAlways;
}

}  // namespace

std::unique_ptr<PreTokenizer> make_metaspace_pre_tokenizer(const JsonView& json,
                                                           const std::string& where) {
  return std::make_unique<MetaspacePreTokenizer>(char_field(json, "replacement", where),
                                                 scheme_from_json(json, where),
                                                 bool_field_or(json, "split", true, where));
}

}  // namespace tamis::tokenizer
