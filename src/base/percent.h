// Percent-encoding, as of paths, queries and baggage.
#pragma once

#include <string>
#include <string_view>

namespace tamis {

/// 0 to 15; -1: no hexadecimal digit.
[[nodiscard]] int hex_digit(char c);

/// %XX as bytes; false where it is malformed or gives a NUL.
[[nodiscard]] bool percent_decode(std::string_view text, std::string& out);

}  // namespace tamis
