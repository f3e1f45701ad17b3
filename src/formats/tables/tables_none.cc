// Parquet and Arrow files where they are not built in.
#include "base/error.h"
#include "formats/tables/table_reader.h"
#include "formats/tables/table_writer.h"

namespace tamis {

bool tables_are_built_in() { return false; }

void require_tables(std::string_view name) {
  fail(ErrorCode::kUnsupported, name,
       ": Parquet and Arrow files are not built in; the program tamis reads and writes them where "
       "it is built with -DTAMIS_ARROW=on, which needs Arrow C++ with Parquet (docs/formats.md). "
       "JSON lines (.jsonl) have the same keys");
}

std::unique_ptr<TableReader> open_table(std::string_view /*bytes*/, std::string_view source,
                                        std::span<const TableKey> /*keys*/) {
  require_tables(source);
  return nullptr;
}

std::unique_ptr<TableWriter> make_table_writer(TableFormat /*format*/, TableSchema /*schema*/,
                                               std::string_view name,
                                               std::function<void(std::string_view)> /*out*/) {
  require_tables(name);
  return nullptr;
}

}  // namespace tamis
