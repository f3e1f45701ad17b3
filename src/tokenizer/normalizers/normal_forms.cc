#include "tokenizer/normalizers/normal_forms.h"

#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

bool any_has_class(std::string_view bytes, uint32_t class_bits) {
  for (size_t i = 0; i < bytes.size();) {
    const char32_t c = decode_utf8(bytes.data() + i);
    if (has_class(c, class_bits)) return true;
    i += utf8_size(c);
  }
  return false;
}

void apply_changes(Text& text, const std::vector<ChangedCodePoint>& changes, size_t dropped_first) {
  Rewriter rewriter(text);
  rewriter.begin(text.pieces[0]);
  rewriter.drop(dropped_first);
  for (const ChangedCodePoint& change : changes) rewriter.change(change.code_point, change.change);
  text.pieces[0] = rewriter.end();
  rewriter.commit();
}

void apply_normal_form(Text& text, Scratch& scratch, NormalForm form) {
  if (text.identity() || !any_has_class(text.bytes(), unsafe_class(form))) return;
  scratch.code_points.clear();
  const std::string_view bytes = text.bytes();
  for (size_t i = 0; i < bytes.size(); i += utf8_size(bytes[i])) {
    scratch.code_points.push_back(decode_utf8(bytes.data() + i));
  }
  scratch.changes.clear();
  if (!normalize(scratch.code_points, form, scratch.changes, text.most_bytes())) {
    text.refuse_growth();
  }
  apply_changes(text, scratch.changes, 0);
}

void apply_lowercase(Text& text) {
  if (text.identity()) {
    for (char& byte : text.mutable_bytes()) {
      if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + ('a' - 'A'));
    }
    return;
  }
  if (!any_has_class(text.bytes(), kHasLower)) return;
  Rewriter rewriter(text);
  rewriter.begin(text.pieces[0]);
  while (!rewriter.rest().empty()) {
    const char32_t c = decode_utf8(rewriter.rest().data());
    if (c < 0x80) {
      rewriter.replace(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      continue;
    }
    const LowerCase lower = lower_case(c);
    rewriter.replace(lower.code_points[0]);
    if (lower.count == 2) rewriter.insert(lower.code_points[1]);
  }
  text.pieces[0] = rewriter.end();
  rewriter.commit();
}

void filter_characters(Text& text, uint32_t class_bits) {
  if (!any_has_class(text.bytes(), class_bits)) return;
  Rewriter rewriter(text);
  rewriter.begin(text.pieces[0]);
  while (!rewriter.rest().empty()) {
    const char32_t c = decode_utf8(rewriter.rest().data());
    if (has_class(c, class_bits)) {
      rewriter.drop(1);
    } else {
      rewriter.keep(utf8_size(c));
    }
  }
  text.pieces[0] = rewriter.end();
  rewriter.commit();
}

}  // namespace tamis::tokenizer
