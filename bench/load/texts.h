// Texts of a wanted number of words, made of the words of a file in their order.
//
// Is: what the load generator sends. Is not: a tokenizer. May use: base, formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::load {

/// How many words a text has: least..most, uniform. 0..0: the file's rows as they are.
struct WordCount {
  int64_t least = 0;
  int64_t most = 0;
};

/// "14", "4-216" or "" (rows as they are). Throws kInvalidArgument.
[[nodiscard]] WordCount parse_word_count(std::string_view text);

/// `count` texts, cut one after the other from the file's words, which are read again from the
/// start when they end. The same file, count and words give the same texts. Throws Error as
/// read_text_data; kInvalidArgument for a file without words.
[[nodiscard]] std::vector<std::string> make_texts(const std::filesystem::path& file,
                                                  const WordCount& words, size_t count);

}  // namespace tamis::load
