// Rows of text one after the other, for files of any length.
//
// Is: parse_text_data() in steps, and what the end of a file's name says. Is not: another format.
// May use: text_data.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "formats/text_data.h"

namespace tamis {

/// Whether the file's name ends with the extension (".npy"), in letters of either case.
[[nodiscard]] bool has_extension(const std::filesystem::path& path, std::string_view extension);

/// text_format_of(). Throws Error naming the file: kInvalidArgument if it is another, kUnsupported
/// for a table where these are not built in.
[[nodiscard]] TextFormat require_text_format(const std::filesystem::path& path);

/// The rows of a text one after the other, in memory that does not grow with their number. Borrows
/// the bytes. Not thread-safe.
class TextReader {
 public:
  /// Throws as parse_text_data(), for the beginning of the text.
  TextReader(std::string_view bytes, TextFormat format, std::string_view source);
  ~TextReader();
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  /// Nothing behind the last row. Throws as parse_text_data().
  [[nodiscard]] std::optional<TextRow> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis
