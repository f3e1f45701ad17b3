#include "base/text_proto.h"

#include "base/error.h"

namespace tamis {

namespace {

// As C strings are; protobuf reads bytes above 0x7f as they are.
std::string quoted(std::string_view value) {
  constexpr std::string_view kOctal = "01234567";
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += '\\';
      for (const int shift : {6, 3, 0}) out += kOctal[(byte >> shift) & 7U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void TextProtoWriter::indent() { out_.append(2 * static_cast<size_t>(depth_), ' '); }

TextProtoWriter& TextProtoWriter::begin(std::string_view name) {
  indent();
  out_ += cat(name, " {\n");
  ++depth_;
  return *this;
}

TextProtoWriter& TextProtoWriter::end() {
  TAMIS_CHECK(depth_ > 0);
  --depth_;
  indent();
  out_ += "}\n";
  return *this;
}

TextProtoWriter& TextProtoWriter::text(std::string_view name, std::string_view value) {
  return word(name, quoted(value));
}

TextProtoWriter& TextProtoWriter::word(std::string_view name, std::string_view value) {
  indent();
  out_ += cat(name, ": ", value, "\n");
  return *this;
}

TextProtoWriter& TextProtoWriter::number(std::string_view name, int64_t value) {
  return word(name, cat(value));
}

TextProtoWriter& TextProtoWriter::flag(std::string_view name, bool value) {
  return word(name, value ? "true" : "false");
}

TextProtoWriter& TextProtoWriter::numbers(std::string_view name, std::span<const int64_t> values) {
  std::string list = "[";
  for (size_t i = 0; i < values.size(); ++i) list += cat(i == 0 ? " " : ", ", values[i]);
  return word(name, list + " ]");
}

TextProtoWriter& TextProtoWriter::comment(std::string_view line) {
  indent();
  out_ += cat("# ", line, "\n");
  return *this;
}

}  // namespace tamis
