#include "cli/table_output.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "formats/tables/table_reader.h"
#include "formats/text_reader.h"

namespace tamis::cli {

namespace {

using Kind = ColumnKind;

TableColumn column(std::string name, Kind kind, std::vector<TableColumn> parts = {}) {
  return {std::move(name), kind, 0, std::move(parts)};
}

TableColumn list(std::string name, TableColumn part) {
  return column(std::move(name), Kind::kList, {std::move(part)});
}

TableColumn score() { return column("score", Kind::kFloat32); }

TableColumn sparse() {
  return column("sparse", Kind::kPairs,
                {column("token", Kind::kText), column("weight", Kind::kFloat32)});
}

TableColumn token_ids() { return list("token_ids", column("", Kind::kInt32)); }

TableColumn vectors() { return list("vectors", list("", column("", Kind::kFloat32))); }

std::vector<TableColumn> answer_columns() {
  return {column("answer", Kind::kText), score(), column("start", Kind::kInt64),
          column("end", Kind::kInt64)};
}

struct Columns {
  std::vector<TableColumn> operator()(const tasks::EmbedOptions&) const {
    return {list("embedding", column("", Kind::kFloat32))};
  }
  std::vector<TableColumn> operator()(const tasks::ClassifyOptions&) const {
    return {column("label", Kind::kText), score(),
            column("scores", Kind::kPairs, {column("label", Kind::kText), score()}),
            list("logits", column("", Kind::kFloat32))};
  }
  std::vector<TableColumn> operator()(const tasks::RerankOptions&) const {
    return {list("results",
                 column("", Kind::kStruct,
                        {column("index", Kind::kInt64), score(), column("text", Kind::kText)}))};
  }
  std::vector<TableColumn> operator()(const tasks::NerOptions& options) const {
    const bool grouped = options.aggregation != tasks::Aggregation::kNone;
    std::vector<TableColumn> parts = {column(grouped ? "entity_group" : "entity", Kind::kText),
                                      score()};
    if (!grouped) parts.push_back(column("index", Kind::kInt64));
    parts.push_back(column("word", Kind::kText));
    parts.push_back(column("start", Kind::kInt64));
    parts.push_back(column("end", Kind::kInt64));
    return {list("entities", column("", Kind::kStruct, std::move(parts)))};
  }
  std::vector<TableColumn> operator()(const tasks::QaOptions& options) const {
    if (!options.top_k) return answer_columns();
    return {list("answers", column("", Kind::kStruct, answer_columns()))};
  }
  std::vector<TableColumn> operator()(const tasks::FillMaskOptions&) const {
    const TableColumn token =
        column("", Kind::kStruct,
               {score(), column("token", Kind::kInt64), column("token_str", Kind::kText),
                column("sequence", Kind::kText)});
    return {list("masks", list("", token))};
  }
  std::vector<TableColumn> operator()(const tasks::ZeroShotOptions&) const {
    return {column("sequence", Kind::kText), list("labels", column("", Kind::kText)),
            list("scores", column("", Kind::kFloat32))};
  }
  std::vector<TableColumn> operator()(const tasks::EmbedSparseOptions&) const { return {sparse()}; }
  std::vector<TableColumn> operator()(const tasks::EmbedMultiOptions&) const {
    return {token_ids(), vectors()};
  }
  std::vector<TableColumn> operator()(const tasks::EmbedAllOptions&) const {
    return {list("embedding", column("", Kind::kFloat32)), sparse(), token_ids(), vectors()};
  }
};

/// Cuts what is read of a file into rows.
class RowCutter {
 public:
  explicit RowCutter(const TableSchema& schema)
      : bytes_(schema.encoding == RowEncoding::kRaw ? static_cast<size_t>(raw_row_bytes(schema))
                                                    : 0) {}

  void take(std::string_view part, TableSink& sink) {
    held_ += part;
    size_t at = 0;
    while (const size_t size = next_size(at)) {
      sink.write(std::string_view(held_).substr(at, size));
      at += size;
    }
    held_.erase(0, at);
  }
  [[nodiscard]] bool empty() const { return held_.empty(); }

 private:
  // 0: not whole yet.
  [[nodiscard]] size_t next_size(size_t at) const {
    if (bytes_ != 0) return held_.size() - at >= bytes_ ? bytes_ : 0;
    const size_t end = held_.find('\n', at);
    return end == held_.npos ? 0 : end + 1 - at;
  }

  size_t bytes_;  // of a row; 0: a line
  std::string held_;
};

}  // namespace

std::optional<TableForm> table_form(const std::string& output, TableSchema schema) {
  const auto format = table_format_of(output);
  if (!format) return std::nullopt;
  require_tables(cat("--output ", output));
  return TableForm{*format, std::move(schema)};
}

std::optional<TableForm> lines_or_table(const std::string& output, TableSchema schema) {
  if (has_extension(output, ".npy")) {
    fail(ErrorCode::kInvalidArgument, "--output ", output,
         ": .npy holds one vector for each text; other results are written as JSON lines");
  }
  return table_form(output, std::move(schema));
}

TableSchema encoding_schema() {
  return {{list("input_ids", column("", Kind::kInt32)), list("tokens", column("", Kind::kText)),
           list("offsets", list("", column("", Kind::kInt64))),
           list("token_type_ids", column("", Kind::kInt32)), column("truncated", Kind::kBool)},
          RowEncoding::kJson};
}

TableSchema result_schema(const tasks::TaskOptions& options) {
  TableSchema schema{std::visit(Columns(), options), RowEncoding::kJson};
  // Windows cover the whole context of a question.
  if (tasks::kind_of(options) != tasks::TaskKind::kQa) {
    schema.columns.push_back(column("truncated", Kind::kBool));
  }
  return schema;
}

TableSchema vector_schema(ColumnKind number, int64_t width) {
  TableColumn embedding = column("embedding", Kind::kVector, {column("", number)});
  embedding.length = width;
  return {{std::move(embedding), column("truncated", Kind::kBool)}, RowEncoding::kRaw};
}

TableSink::TableSink(std::unique_ptr<Sink> inner, const TableForm& form, std::string_view name)
    : inner_(std::move(inner)),
      writer_(make_table_writer(form.format, form.schema, name,
                                [this](std::string_view bytes) { inner_->write(bytes); })) {}

void TableSink::finish() {
  writer_->finish();
  inner_->finish();
}

std::unique_ptr<Sink> open_output(const std::string& output,
                                  const std::optional<TableForm>& table) {
  std::unique_ptr<Sink> sink = std::make_unique<OutputSink>(output);
  if (table) sink = std::make_unique<TableSink>(std::move(sink), *table, output);
  return sink;
}

void write_table(const std::filesystem::path& rows, const std::string& target,
                 const TableForm& form) {
  constexpr size_t kPart = size_t{1} << 20;
  const Descriptor file(::open(rows.c_str(), O_RDONLY | O_CLOEXEC));
  const auto refuse = [&rows] {
    fail(ErrorCode::kUnavailable, rows.string(), ": cannot be read: ", errno_text());
  };
  if (!file) refuse();
  TableSink sink(std::make_unique<OutputSink>(target), form, target);
  RowCutter cutter(form.schema);
  std::string part(kPart, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse();
    if (got == 0) break;
    cutter.take(std::string_view(part).substr(0, static_cast<size_t>(got)), sink);
  }
  if (!cutter.empty()) fail(ErrorCode::kCorruptData, rows.string(), ": the last row is not whole");
  sink.finish();
}

}  // namespace tamis::cli
