// Files of a folder in one input, for parsers that read several: a line "=== NAME" begins each.
//
// Is: the unpacking, onto a folder that goes away with the object. Is not: a parser under test.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/file.h"

namespace tamis::fuzz {

inline constexpr std::string_view kMark = "=== ";

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fuzz-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// What stands before the first mark.
  [[nodiscard]] static std::string_view head_of(std::string_view input) {
    return input.substr(0, std::min(find_mark(input, 0), input.size()));
  }

  /// Writes the files of `input`: at most so many, with names of letters, digits and "._-/" that
  /// stay inside.
  void unpack(std::string_view input, size_t most_files = 8) {
    size_t begin = find_mark(input, 0);
    for (size_t count = 0; begin < input.size() && count < most_files; ++count) {
      const size_t name_at = begin + kMark.size();
      const size_t name_end = std::min(input.find('\n', name_at), input.size());
      const size_t text_at = std::min(name_end + 1, input.size());
      const size_t next = find_mark(input, text_at);
      write(input.substr(name_at, name_end - name_at),
            input.substr(text_at, std::min(next, input.size()) - text_at));
      begin = next;
    }
  }

 private:
  // Where a line begins with the mark.
  static size_t find_mark(std::string_view input, size_t from) {
    for (size_t at = input.find(kMark, from); at != input.npos; at = input.find(kMark, at + 1)) {
      if (at == 0 || input[at - 1] == '\n') return at;
    }
    return input.npos;
  }

  void write(std::string_view name, std::string_view text) {
    const auto plain = [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/';
    };
    const bool inside = !name.empty() && name.size() < 64 && name.front() != '/' &&
                        name.find("..") == name.npos &&
                        std::all_of(name.begin(), name.end(), plain);
    if (!inside) return;
    std::error_code failed;
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path(), failed);
    if (failed || std::filesystem::is_directory(file)) return;
    write_file(file, text);
  }

  std::filesystem::path path_;
};

}  // namespace tamis::fuzz
