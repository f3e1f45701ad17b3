// Parquet and Arrow IPC written by Arrow C++.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "formats/tables/arrow_builders.h"
#include "formats/tables/arrow_status.h"

namespace tamis {

namespace {

using Out = std::function<void(std::string_view)>;

/// Hands bytes on. What the receiver throws is kept: it must not pass through Arrow.
class OutStream final : public arrow::io::OutputStream {
 public:
  explicit OutStream(Out out) : out_(std::move(out)) {}

  arrow::Status Write(const void* data, int64_t size) override {
    try {
      out_({static_cast<const char*>(data), static_cast<size_t>(size)});
    } catch (...) {
      thrown_ = std::current_exception();
      return arrow::Status::IOError("the receiver failed");
    }
    at_ += size;
    return arrow::Status::OK();
  }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  [[nodiscard]] bool closed() const override { return closed_; }

  /// Throws what the receiver threw, else what `status` reports.
  void check(const arrow::Status& status, std::string_view name) const {
    if (thrown_) std::rethrow_exception(thrown_);
    check_arrow(status, name);
  }
  template <typename T>
  T take(arrow::Result<T>&& result, std::string_view name) const {
    check(result.status(), name);
    return std::move(result).ValueUnsafe();
  }

 private:
  Out out_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::exception_ptr thrown_;
};

/// The part that differs by format.
class BatchWriter {
 public:
  BatchWriter() = default;
  virtual ~BatchWriter() = default;
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;
  virtual arrow::Status write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;
  virtual arrow::Status close() = 0;
};

// The path of the numbers of a vector in Parquet's schema.
std::string numbers_path(const std::string& column) { return cat(column, ".list.element"); }

// Vectors of float are bits that neither a dictionary nor a general codec makes shorter. Integers
// of 8 bits are stored as 32, which a dictionary of at most 256 makes 8 again.
std::shared_ptr<parquet::WriterProperties> parquet_properties(const TableSchema& schema) {
  parquet::WriterProperties::Builder builder;
  builder.disable_dictionary();
  const bool snappy = arrow::util::Codec::IsAvailable(arrow::Compression::SNAPPY);
  builder.compression(snappy ? arrow::Compression::SNAPPY : arrow::Compression::UNCOMPRESSED);
  for (const TableColumn& column : schema.columns) {
    if (column.kind != ColumnKind::kVector) continue;
    const std::string path = numbers_path(column.name);
    builder.compression(path, arrow::Compression::UNCOMPRESSED);
    builder.disable_statistics(path);
    const ColumnKind kind = column.parts[0].kind;
    if (kind == ColumnKind::kInt8 || kind == ColumnKind::kUint8) builder.enable_dictionary(path);
  }
  return builder.build();
}

class ParquetBatches final : public BatchWriter {
 public:
  ParquetBatches(const arrow::Schema& schema, const TableSchema& columns,
                 const std::shared_ptr<OutStream>& out, std::string_view name) {
    parquet::ArrowWriterProperties::Builder options;
    // So that a vector is read as one and not as a list.
    options.store_schema();
    writer_ =
        out->take(parquet::arrow::FileWriter::Open(schema, arrow::default_memory_pool(), out,
                                                   parquet_properties(columns), options.build()),
                  name);
  }
  arrow::Status write(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({batch}));
    return writer_->WriteTable(*table, batch->num_rows());
  }
  arrow::Status close() override { return writer_->Close(); }

 private:
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

class ArrowBatches final : public BatchWriter {
 public:
  ArrowBatches(const std::shared_ptr<arrow::Schema>& schema, TableFormat format,
               const std::shared_ptr<OutStream>& out, std::string_view name) {
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.use_threads = false;
    writer_ = out->take(format == TableFormat::kArrowFile
                            ? arrow::ipc::MakeFileWriter(out, schema, options)
                            : arrow::ipc::MakeStreamWriter(out, schema, options),
                        name);
  }
  arrow::Status write(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    return writer_->WriteRecordBatch(*batch);
  }
  arrow::Status close() override { return writer_->Close(); }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

std::shared_ptr<arrow::Schema> arrow_schema_of(const TableSchema& schema) {
  arrow::FieldVector fields;
  for (const TableColumn& column : schema.columns) {
    fields.push_back(arrow::field(column.name, arrow_type_of(column)));
  }
  return arrow::schema(fields);
}

class ArrowTableWriter final : public TableWriter {
 public:
  ArrowTableWriter(TableFormat format, TableSchema schema, std::string_view name, Out out)
      : schema_(std::move(schema)),
        name_(name),
        arrow_schema_(arrow_schema_of(schema_)),
        stream_(std::make_shared<OutStream>(std::move(out))) {
    guarded(name_, [&] {
      for (const auto& field : arrow_schema_->fields()) {
        builders_.push_back(take_arrow(arrow::MakeBuilder(field->type()), name_));
      }
      if (format == TableFormat::kParquet) {
        batches_ = std::make_unique<ParquetBatches>(*arrow_schema_, schema_, stream_, name_);
      } else {
        batches_ = std::make_unique<ArrowBatches>(arrow_schema_, format, stream_, name_);
      }
    });
  }

  void append(std::string_view row) override {
    guarded(name_, [&] {
      held_bytes_ += static_cast<int64_t>(row.size());
      ++held_rows_;
      if (schema_.encoding == RowEncoding::kRaw) {
        for (size_t i = 0; i < builders_.size(); ++i) {
          append_raw(schema_.columns[i], row, *builders_[i]);
        }
        TAMIS_CHECK(row.empty());
      } else {
        const JsonDocument document = JsonDocument::parse(row, name_);
        for (size_t i = 0; i < builders_.size(); ++i) {
          const TableColumn& column = schema_.columns[i];
          append_json(column, document.root().get(column.name), *builders_[i]);
        }
      }
      if (held_bytes_ >= kTableGroupBytes || held_rows_ >= kTableGroupRows) flush();
    });
  }

  void finish() override {
    guarded(name_, [&] {
      flush();
      stream_->check(batches_->close(), name_);
    });
  }

 private:
  void flush() {
    if (held_rows_ == 0) return;
    arrow::ArrayVector arrays;
    for (auto& builder : builders_) arrays.push_back(take_arrow(builder->Finish(), name_));
    const auto batch = arrow::RecordBatch::Make(arrow_schema_, held_rows_, arrays);
    stream_->check(batches_->write(batch), name_);
    held_rows_ = 0;
    held_bytes_ = 0;
  }

  TableSchema schema_;
  std::string name_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  std::shared_ptr<OutStream> stream_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::unique_ptr<BatchWriter> batches_;
  int64_t held_bytes_ = 0;
  int64_t held_rows_ = 0;
};

}  // namespace

std::unique_ptr<TableWriter> make_table_writer(TableFormat format, TableSchema schema,
                                               std::string_view name, Out out) {
  return std::make_unique<ArrowTableWriter>(format, std::move(schema), name, std::move(out));
}

}  // namespace tamis
