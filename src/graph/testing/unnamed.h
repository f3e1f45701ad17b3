// The text of a graph without the names of its values and nodes, for tests that compare two
// origins.
#pragma once

#include <map>
#include <regex>
#include <string>

namespace tamis::graph::testing {

/// Each %name becomes %N by the order in which names appear; module paths go. Marks keep theirs.
inline std::string unnamed(const std::string& text) {
  static const std::regex kName(R"re(%("(?:[^"\\]|\\.)*"|[^ ,)\n]+))re");
  std::map<std::string, size_t> numbers;
  std::string out;
  auto begin = text.begin();
  for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at) {
    out.append(begin, text.begin() + at->position());
    const size_t number = numbers.emplace(at->str(), numbers.size()).first->second;
    out += "%" + std::to_string(number);
    begin = text.begin() + at->position() + at->length();
  }
  out.append(begin, text.end());
  return std::regex_replace(out, std::regex(R"re( @("(?:[^"\\]|\\.)*"|[^ \n]+))re"), "");
}

}  // namespace tamis::graph::testing
