// Rows of Parquet and Arrow files as the JSON objects that a .jsonl file would have.
//
// Is: the seam between rows of text and the library that reads these files, so that the program has
// it where TAMIS_ARROW asks for it, and libtamis never. Is not: a meaning of columns
// (text_data_json). May use: base.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

/// A column that is read where the file has it; all others are passed over.
struct TableKey {
  std::string_view name;
  bool text;  ///< strings alone; else numbers, lists and structs too
};

/// Not thread-safe.
class TableReader {
 public:
  TableReader() = default;
  virtual ~TableReader() = default;
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  /// All columns of the file, by name.
  [[nodiscard]] virtual const std::vector<std::string>& columns() const = 0;
  /// The next row as a JSON object of the keys that the file has, null where the row has none;
  /// nothing behind the last. Throws Error naming the source: kCorruptData with the row, from 1,
  /// where one cannot be read; kUnsupported for a codec that the library lacks; kOutOfMemory.
  [[nodiscard]] virtual std::optional<std::string> next() = 0;
};

/// A Parquet file, an Arrow IPC file (Feather version 2 is the same) or an Arrow IPC stream, told
/// apart by how it begins. Borrows all three. Throws Error naming `source`: kUnsupported where
/// these files are not built in, kCorruptData for a file that is none of them or a key's column
/// that is there twice or of another type than the key takes.
[[nodiscard]] std::unique_ptr<TableReader> open_table(std::string_view bytes,
                                                      std::string_view source,
                                                      std::span<const TableKey> keys);

/// Whether the bytes begin, and of Parquet end, as such a file.
[[nodiscard]] bool looks_like_table(std::string_view bytes);

/// Whether this program reads and writes such files.
[[nodiscard]] bool tables_are_built_in();

/// Throws Error{kUnsupported} naming `name` if they are not built in.
void require_tables(std::string_view name);

}  // namespace tamis
