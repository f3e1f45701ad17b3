// The key that clients send.
#pragma once

#include <string_view>

namespace tamis::serve {

/// True if `authorization` is "Bearer KEY" (the word in any case) or KEY itself is empty: then
/// nobody is asked. Takes as long for a wrong key as for the right one of its length.
[[nodiscard]] bool key_allows(std::string_view key, std::string_view authorization);

}  // namespace tamis::serve
