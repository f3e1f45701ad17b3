// Tables of results as Parquet and Arrow files.
//
// Is: the seam between rows and the library that writes these files; the same rows give the same
// bytes. Is not: files on the disk, what the columns mean. May use: base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

enum class TableFormat : uint8_t {
  kParquet,
  kArrowFile,   ///< Arrow IPC with a footer; Feather version 2
  kArrowStream  ///< Arrow IPC without
};

/// By the file name's end (".parquet", ".arrow" and ".feather", ".arrows"), nothing if it is
/// another.
[[nodiscard]] std::optional<TableFormat> table_format_of(const std::filesystem::path& path);

enum class ColumnKind : uint8_t {
  kBool,
  kInt8,
  kUint8,
  kInt32,
  kInt64,
  kFloat16,
  kFloat32,
  kText,
  kList,    ///< of parts[0]
  kVector,  ///< `length` of parts[0], a number
  kStruct,  ///< of parts, by their names
  kPairs    ///< a JSON object as a list of structs of its key, parts[0], and value, parts[1]
};

struct TableColumn {
  std::string name;  ///< of a list's part: not read
  ColumnKind kind = ColumnKind::kText;
  int64_t length = 0;  ///< of kVector
  std::vector<TableColumn> parts = {};
};

/// How a row is given to the writer.
enum class RowEncoding : uint8_t {
  kRaw,  ///< one column behind the other, numbers in this machine's order, a bool as a byte: only
         ///< for columns of numbers and of vectors of numbers
  kJson  ///< an object as text; a member that lacks is null, or false where it is a bool
};

struct TableSchema {
  std::vector<TableColumn> columns;
  RowEncoding encoding = RowEncoding::kJson;
};

/// Bytes of a row of RowEncoding::kRaw.
[[nodiscard]] int64_t raw_row_bytes(const TableSchema& schema);

/// Not thread-safe.
class TableWriter {
 public:
  TableWriter() = default;
  virtual ~TableWriter() = default;
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  /// Holds up to kTableGroupBytes of rows in memory. Throws Error{kOutOfMemory}, and what `out`
  /// throws.
  virtual void append(std::string_view row) = 0;
  /// Writes what is held and the file's end; nothing comes behind it.
  virtual void finish() = 0;
};

/// A row group of Parquet, or record batch of Arrow, ends behind the row that makes this many bytes
/// as they were given, or this many rows.
inline constexpr int64_t kTableGroupBytes = int64_t{32} << 20;
inline constexpr int64_t kTableGroupRows = 65536;

/// `out` gets the file's bytes in order. Throws Error{kUnsupported} naming `name` where these files
/// are not built in.
[[nodiscard]] std::unique_ptr<TableWriter> make_table_writer(
    TableFormat format, TableSchema schema, std::string_view name,
    std::function<void(std::string_view bytes)> out);

}  // namespace tamis
