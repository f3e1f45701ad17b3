// Which names stand bare in the text form; every other is written as a JSON string.
//
// Is: the one rule printer and parser share. Is not: public to other modules. May use: nothing.
#pragma once

#include <string_view>

namespace tamis::graph {

/// True for one or more of a-z A-Z 0-9 _ . - /
[[nodiscard]] inline bool is_plain_name(std::string_view name) {
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '-' || c == '/';
    if (!plain) return false;
  }
  return !name.empty();
}

}  // namespace tamis::graph
