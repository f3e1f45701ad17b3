#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/plain_text.h"

namespace tamis {

namespace {

void append_unicode_escape(std::string& out, unsigned char code) {
  constexpr char kHex[] = "0123456789abcdef";
  out.append("\\u00");
  out.push_back(kHex[code >> 4]);
  out.push_back(kHex[code & 15]);
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0xc2 && i + 1 < text.size() && (text[i + 1] & 0xe0) == 0x80) {
      // C1 controls, U+0080 to U+009F: terminals obey them as they do escape sequences.
      append_unicode_escape(out, static_cast<unsigned char>(text[++i]));
    } else if (byte >= 0x80) {
      const size_t length = utf8_sequence_length(text, i);
      // Nobody reads JSON that is not UTF-8.
      out.append(length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(i, length));
      if (length > 0) i += length - 1;
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte >= 0x20 && byte != 0x7f) {
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (c == '\r') {
      out.append("\\r");
    } else {
      append_unicode_escape(out, byte);
    }
  }
  out.push_back('"');
}

template <typename T>
void append_number(std::string& out, T number) {
  char buffer[48];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
  out.append(buffer, end);
}

template <typename T>
void append_float(std::string& out, T number) {
  if (!std::isfinite(number)) {
    out.append("null");
    return;
  }
  append_number(out, number);
  // "-0" would read back as the integer 0.
  if (number == 0 && std::signbit(number)) out.append(".0");
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

void JsonWriter::newline() {
  if (indent_ == 0) return;
  out_.push_back('\n');
  out_.append(has_items_.size() * static_cast<size_t>(indent_), ' ');
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_items_.empty()) return;
  if (has_items_.back()) out_.push_back(',');
  has_items_.back() = true;
  newline();
}

JsonWriter& JsonWriter::begin_object() {
  before_value();
  out_.push_back('{');
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  const bool had_items = has_items_.back();
  has_items_.pop_back();
  if (had_items) newline();
  out_.push_back('}');
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  before_value();
  out_.push_back('[');
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  const bool had_items = has_items_.back();
  has_items_.pop_back();
  if (had_items) newline();
  out_.push_back(']');
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_quoted(out_, name);
  out_.append(indent_ == 0 ? ":" : ": ");
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_quoted(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  before_value();
  out_.append(flag ? "true" : "false");
  return *this;
}

JsonWriter& JsonWriter::value(int64_t number) {
  before_value();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(uint64_t number) {
  before_value();
  append_number(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(float number) {
  before_value();
  append_float(out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  before_value();
  append_float(out_, number);
  return *this;
}

JsonWriter& JsonWriter::null() {
  before_value();
  out_.append("null");
  return *this;
}

JsonWriter& JsonWriter::array(std::span<const float> numbers) {
  before_value();
  out_.push_back('[');
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) out_.push_back(',');
    append_float(out_, numbers[i]);
  }
  out_.push_back(']');
  return *this;
}

JsonWriter& JsonWriter::array(std::span<const int32_t> numbers) {
  before_value();
  out_.push_back('[');
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) out_.push_back(',');
    append_number(out_, numbers[i]);
  }
  out_.push_back(']');
  return *this;
}

JsonWriter& JsonWriter::value(const JsonView& view) {
  if (!view.exists()) return null();
  switch (view.kind()) {
    case JsonKind::kNull:
      return null();
    case JsonKind::kBool:
      return value(view.as_bool(""));
    case JsonKind::kInt:
      return value(view.as_int(""));
    case JsonKind::kDouble:
      return value(view.as_double(""));
    case JsonKind::kString:
      return value(view.as_string(""));
    case JsonKind::kArray:
      begin_array();
      for (size_t i = 0; i < view.size(); ++i) value(view.at(i));
      return end_array();
    case JsonKind::kObject:
      begin_object();
      for (size_t i = 0; i < view.size(); ++i) {
        const JsonView::Member item = view.member(i);
        key(item.key);
        value(item.value);
      }
      return end_object();
  }
  return *this;
}

std::string JsonWriter::take() {
  std::string text;
  text.swap(out_);
  has_items_.clear();
  after_key_ = false;
  return text;
}

}  // namespace tamis
