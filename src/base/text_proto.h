// Writing protobuf's text format, of which config.pbtxt is made.
//
// Is: fields, messages and lists with indentation. Is not: a reader, or a check against a schema.
// May use: nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tamis {

/// Not thread-safe.
class TextProtoWriter {
 public:
  /// `name {`, to be closed by end().
  TextProtoWriter& begin(std::string_view name);
  TextProtoWriter& end();
  /// A string, quoted and escaped.
  TextProtoWriter& text(std::string_view name, std::string_view value);
  /// A name of an enumeration, or a number or bool already spelled.
  TextProtoWriter& word(std::string_view name, std::string_view value);
  TextProtoWriter& number(std::string_view name, int64_t value);
  TextProtoWriter& flag(std::string_view name, bool value);
  /// `name: [ 1, 2 ]`.
  TextProtoWriter& numbers(std::string_view name, std::span<const int64_t> values);
  TextProtoWriter& comment(std::string_view line);

  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  void indent();

  std::string out_;
  int depth_ = 0;
};

}  // namespace tamis
