// Values of Arrow's arrays as JSON. For the reader beside it alone.
#pragma once

#include <arrow/type_fwd.h>

#include <string>

#include "base/json.h"

namespace tamis {

/// Whether values of the type are texts: strings, or a dictionary of them. A column of nulls alone
/// counts.
[[nodiscard]] bool is_text_type(const arrow::DataType& type);

/// Whether write_arrow_value() takes values of the type.
[[nodiscard]] bool is_json_type(const arrow::DataType& type, int depth = 0);

/// Value i of an array of such a type, which Arrow has validated. Throws Error{kCorruptData} naming
/// `where` for a number that is not finite.
void write_arrow_value(const arrow::Array& array, int64_t i, std::string_view where,
                       JsonWriter& json);

}  // namespace tamis
