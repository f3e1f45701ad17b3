// One line of a .jsonl file as a row; see text_data.h for its keys.
#pragma once

#include <span>
#include <string_view>

#include "formats/tables/table_reader.h"
#include "formats/text_data.h"

namespace tamis {

/// `where` is "file:line". Throws Error{kCorruptData}.
[[nodiscard]] TextRow parse_json_row(std::string_view json, std::string_view where);

/// The keys that are read, as columns of a table.
[[nodiscard]] std::span<const TableKey> json_row_keys();

}  // namespace tamis
