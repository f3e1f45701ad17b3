// Texts that come as words with a tag each, as NER data does.
//
// Is: for the measures of entities. Is not: the reading of files (formats). May use: tasks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tasks/code_points.h"

namespace tamis::api {

/// A text made of words, and where each stands in it, in code points.
struct JoinedText {
  std::string text;
  std::vector<std::pair<int64_t, int64_t>> words;
};

[[nodiscard]] inline JoinedText join(const std::vector<std::string>& words) {
  JoinedText joined;
  int64_t at = 0;
  for (const std::string& word : words) {
    if (!joined.words.empty()) {
      joined.text += ' ';
      ++at;
    }
    joined.text += word;
    const int64_t end = at + tasks::count_code_points(word);
    joined.words.emplace_back(at, end);
    at = end;
  }
  return joined;
}

}  // namespace tamis::api
