// Results as Parquet and Arrow files.
//
// Is: --output by the end of its name, the columns of each task's results, and a sink that takes
// them row by row. Is not: the formats (formats/tables). May use: tasks, formats.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/output.h"
#include "formats/tables/table_writer.h"
#include "tasks/task.h"

namespace tamis::cli {

/// A table that is written instead of lines.
struct TableForm {
  TableFormat format = TableFormat::kParquet;
  TableSchema schema;
};

/// What --output names by its end: a table of that schema, or nothing. Throws Error{kUnsupported}
/// where tables are not built in.
[[nodiscard]] std::optional<TableForm> table_form(const std::string& output, TableSchema schema);

/// The same for results that are JSON lines otherwise: throws Error{kInvalidArgument} for .npy,
/// which holds vectors alone.
[[nodiscard]] std::optional<TableForm> lines_or_table(const std::string& output,
                                                      TableSchema schema);

/// The columns of the task's results: the members of their JSON objects (tasks/task_json.h), a
/// member that is written only where it is true as a column of bools. JSON objects by token or
/// label are lists of {token, weight} and {label, score}.
[[nodiscard]] TableSchema result_schema(const tasks::TaskOptions& options);

/// What `tokenize` writes.
[[nodiscard]] TableSchema encoding_schema();

/// One vector a text, RowEncoding::kRaw: `width` numbers, and whether the text was truncated.
[[nodiscard]] TableSchema vector_schema(ColumnKind number, int64_t width);

/// A row as a line of JSON, or as raw bytes, goes in; the table's bytes go to `inner`.
class TableSink : public Sink {
 public:
  TableSink(std::unique_ptr<Sink> inner, const TableForm& form, std::string_view name);
  void write(std::string_view row) override { writer_->append(row); }
  void rows_done(int64_t rows) override { inner_->rows_done(rows); }
  void finish() override;

 private:
  std::unique_ptr<Sink> inner_;
  std::unique_ptr<TableWriter> writer_;
};

/// OutputSink, or a TableSink into one.
[[nodiscard]] std::unique_ptr<Sink> open_output(const std::string& output,
                                                const std::optional<TableForm>& table);

/// Writes the table of the rows that lie in the file `rows` one behind the other, so that `target`
/// appears whole. Memory does not grow with their number. Throws Error: kUnavailable (a file that
/// cannot be read or written), kCorruptData (the last row is not whole).
void write_table(const std::filesystem::path& rows, const std::string& target,
                 const TableForm& form);

}  // namespace tamis::cli
