// Numbers in texts, as printf writes them.
#pragma once

#include <cstdio>
#include <string>

namespace tamis::api {

/// As long as it has to be.
template <typename... Arguments>
[[nodiscard]] std::string format(const char* pattern, Arguments... arguments) {
  const int length = std::snprintf(nullptr, 0, pattern, arguments...);
  std::string text(static_cast<size_t>(length) + 1, '\0');
  std::snprintf(text.data(), text.size(), pattern, arguments...);
  text.pop_back();
  return text;
}

}  // namespace tamis::api
