// One line of a .jsonl file as a row; see text_data.h for its keys.
#pragma once

#include <string_view>

#include "formats/text_data.h"

namespace tamis {

/// `where` is "file:line". Throws Error{kCorruptData}.
[[nodiscard]] TextRow parse_json_row(std::string_view json, std::string_view where);

}  // namespace tamis
