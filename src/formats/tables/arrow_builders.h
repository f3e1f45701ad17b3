// Rows of results in Arrow's builders. For the writer beside it alone.
#pragma once

#include <arrow/array/builder_base.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <string_view>

#include "base/json.h"
#include "formats/tables/table_writer.h"

namespace tamis {

[[nodiscard]] std::shared_ptr<arrow::DataType> arrow_type_of(const TableColumn& column);

/// Appends a value of the column. A value that lacks is null, or false of a bool.
void append_json(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder);

/// Appends the value that lies at the beginning of `bytes` (RowEncoding::kRaw), and takes it away.
void append_raw(const TableColumn& column, std::string_view& bytes, arrow::ArrayBuilder& builder);

}  // namespace tamis
