// Text for a person to read on a terminal.
//
// Is: what keeps a label, a path or a message from a file from commanding the terminal. Is not: for
// answers, which are JSON. May use: nothing.
#pragma once

#include <string>
#include <string_view>

namespace tamis {

/// Length of the UTF-8 sequence at `at`, 0 if there is none: RFC 3629, so no surrogates, nothing
/// over U+10FFFF, no longer spelling than needed.
[[nodiscard]] size_t utf8_sequence_length(std::string_view text, size_t at);

/// The text on one line, with what a terminal obeys instead of showing spelled out: "\n", "\t",
/// "\u001b" for control characters (C0, DEL, C1) and marks that turn the direction of what follows,
/// "\xff" for bytes that are not UTF-8.
[[nodiscard]] std::string plain_text(std::string_view text);

/// The same for a text of several lines, whose line ends and tabs stay.
[[nodiscard]] std::string plain_lines(std::string_view text);

}  // namespace tamis
