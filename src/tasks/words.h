// The words that GLiNER reads of a text.
//
// Is: Python's \w+(?:[-_]\w+)*|\S, as its re module reads it. Is not: a tokenizer. May use:
// tokenizer (its tables of Unicode).
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"

namespace tamis::tasks {

struct Word {
  std::string_view text;
  tokenizer::Span at;  ///< in code points of the whole
};

/// `text` is valid UTF-8 under 2^31 bytes; the words borrow it.
[[nodiscard]] std::vector<Word> split_words(std::string_view text);

}  // namespace tamis::tasks
