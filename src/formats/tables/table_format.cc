#include "base/error.h"
#include "formats/tables/table_reader.h"
#include "formats/tables/table_writer.h"
#include "formats/text_reader.h"

namespace tamis {

namespace {

int64_t raw_bytes_of(const TableColumn& column) {
  switch (column.kind) {
    case ColumnKind::kBool:
    case ColumnKind::kInt8:
    case ColumnKind::kUint8:
      return 1;
    case ColumnKind::kFloat16:
      return 2;
    case ColumnKind::kInt32:
    case ColumnKind::kFloat32:
      return 4;
    case ColumnKind::kInt64:
      return 8;
    case ColumnKind::kVector:
      return column.length * raw_bytes_of(column.parts[0]);
    case ColumnKind::kText:
    case ColumnKind::kList:
    case ColumnKind::kStruct:
    case ColumnKind::kPairs:
      break;
  }
  TAMIS_CHECK(false);  // of no fixed size
  return 0;
}

struct FormatRow {
  std::string_view extension;
  TableFormat format;
};
constexpr FormatRow kFormats[] = {{".parquet", TableFormat::kParquet},
                                  {".arrow", TableFormat::kArrowFile},
                                  {".feather", TableFormat::kArrowFile},
                                  {".arrows", TableFormat::kArrowStream}};

}  // namespace

std::optional<TableFormat> table_format_of(const std::filesystem::path& path) {
  for (const FormatRow& row : kFormats) {
    if (has_extension(path, row.extension)) return row.format;
  }
  return std::nullopt;
}

bool looks_like_table(std::string_view bytes) {
  if (bytes.starts_with("PAR1")) return bytes.ends_with("PAR1");
  return bytes.starts_with(std::string_view("ARROW1\0\0", 8)) ||
         bytes.starts_with("\xff\xff\xff\xff");
}

int64_t raw_row_bytes(const TableSchema& schema) {
  int64_t bytes = 0;
  for (const TableColumn& column : schema.columns) bytes += raw_bytes_of(column);
  return bytes;
}

}  // namespace tamis
