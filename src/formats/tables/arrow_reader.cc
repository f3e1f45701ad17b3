// Parquet and Arrow IPC read by Arrow C++.
//
// The bytes are taken for hostile: Arrow checks offsets and UTF-8 of every batch before a value is
// read (ValidateFull), memory is capped, and its errors and exceptions become ours.
#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/properties.h>

#include <algorithm>
#include <functional>

#include "formats/tables/arrow_json.h"
#include "formats/tables/arrow_status.h"
#include "formats/tables/table_reader.h"

namespace tamis {

namespace {

// Of all that Arrow holds at once. A page or a record batch is decompressed whole, and its size is
// what the file claims.
constexpr int64_t kMostMemory = int64_t{4} << 30;
// Rows of Parquet that are decoded at once: a long text may take megabytes.
constexpr int64_t kParquetRows = 256;
// Rows of a record batch that are validated at once, so that the pages of a large one can be let go
// of in between.
constexpr int64_t kValidatedRows = 16384;

using Batch = std::shared_ptr<arrow::RecordBatch>;

/// The file's batches one after the other; null behind the last.
using NextBatch = std::function<arrow::Result<Batch>()>;

struct Selection {
  std::vector<std::string> names;  ///< of all columns
  std::vector<int> picked;         ///< top-level columns that are keys
};

Selection select_columns(const arrow::Schema& schema, std::string_view source,
                         std::span<const TableKey> keys) {
  Selection selection;
  selection.names = schema.field_names();
  for (const TableKey& key : keys) {
    const auto found = schema.GetAllFieldIndices(std::string(key.name));
    if (found.empty()) continue;
    if (found.size() > 1) {
      fail(ErrorCode::kCorruptData, source, ": has the column ", key.name, " twice");
    }
    const arrow::DataType& type = *schema.field(found[0])->type();
    if (!(key.text ? is_text_type(type) : is_json_type(type))) {
      fail(ErrorCode::kCorruptData, source, ": the column ", key.name, " is of ",
           type.ToString().substr(0, kMostOfMessage), "; accepted are ",
           key.text ? "string, large_string, string_view and dictionaries of these"
                    : "strings, numbers, and lists and structs of them");
    }
    selection.picked.push_back(found[0]);
  }
  return selection;
}

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, leaves);
}

class ArrowTable final : public TableReader {
 public:
  ArrowTable(std::string_view bytes, std::string_view source, std::span<const TableKey> keys)
      : source_(source),
        keys_(keys),
        pool_(arrow::default_memory_pool(), kMostMemory),
        file_(std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
            reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size())))) {
    guarded(source_, [&] {
      if (bytes.starts_with("PAR1")) {
        open_parquet();
      } else if (bytes.starts_with("ARROW1")) {
        open_file();
      } else if (bytes.starts_with("\xff\xff\xff\xff")) {
        open_stream();
      } else {
        refuse(bytes);
      }
    });
  }

  [[nodiscard]] const std::vector<std::string>& columns() const override { return names_; }

  [[nodiscard]] std::optional<std::string> next() override {
    return guarded(source_, [&]() -> std::optional<std::string> {
      while (batch_ == nullptr || at_ == batch_->num_rows()) {
        if (!load()) return std::nullopt;
      }
      if (at_ == validated_) validate();
      const std::string where = cat(source_, ":", before_ + at_ + 1);
      JsonWriter json;
      json.begin_object();
      for (int i = 0; i < batch_->num_columns(); ++i) {
        json.key(batch_->schema()->field(i)->name());
        write_arrow_value(*arrays_[static_cast<size_t>(i)], at_, where, json);
      }
      json.end_object();
      ++at_;
      return json.take();
    });
  }

 private:
  [[noreturn]] void refuse(std::string_view bytes) const {
    if (bytes.starts_with("FEA1")) {
      fail(ErrorCode::kUnsupported, source_, ": Feather version 1; accepted is version 2");
    }
    if (bytes.starts_with("PARE")) {
      fail(ErrorCode::kUnsupported, source_, ": an encrypted Parquet file");
    }
    fail(ErrorCode::kCorruptData, source_,
         ": is neither a Parquet file nor an Arrow file or stream");
  }

  void open_parquet() {
    parquet::ReaderProperties properties(&pool_);
    properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties options(/*use_threads=*/false);
    options.set_batch_size(kParquetRows);
    options.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    check_arrow(builder.Open(file_, properties), source_);
    check_arrow(builder.memory_pool(&pool_)->properties(options)->Build(&parquet_), source_);
    std::shared_ptr<arrow::Schema> schema;
    check_arrow(parquet_->GetSchema(&schema), source_);
    const Selection selection = select_columns(*schema, source_, keys_);
    names_ = selection.names;
    std::vector<int> leaves;
    for (const int field : selection.picked) {
      add_leaves(parquet_->manifest().schema_fields.at(static_cast<size_t>(field)), leaves);
    }
    if (leaves.empty()) return;
    std::vector<int> groups(static_cast<size_t>(parquet_->num_row_groups()));
    for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    std::shared_ptr<arrow::RecordBatchReader> reader =
        take_arrow(parquet_->GetRecordBatchReader(groups, leaves), source_);
    next_batch_ = [reader] { return reader->Next(); };
  }

  arrow::ipc::IpcReadOptions ipc_options() {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.memory_pool = &pool_;
    options.use_threads = false;
    options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
    return options;
  }

  void open_file() {
    auto options = ipc_options();
    const auto first = take_arrow(arrow::ipc::RecordBatchFileReader::Open(file_, options), source_);
    const Selection selection = select_columns(*first->schema(), source_, keys_);
    names_ = selection.names;
    if (selection.picked.empty()) return;
    options.included_fields = selection.picked;
    std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader =
        take_arrow(arrow::ipc::RecordBatchFileReader::Open(file_, options), source_);
    next_batch_ = [reader, i = 0]() mutable -> arrow::Result<Batch> {
      if (i == reader->num_record_batches()) return Batch();
      return reader->ReadRecordBatch(i++);
    };
  }

  void open_stream() {
    auto options = ipc_options();
    const auto first =
        take_arrow(arrow::ipc::RecordBatchStreamReader::Open(file_, options), source_);
    const Selection selection = select_columns(*first->schema(), source_, keys_);
    names_ = selection.names;
    if (selection.picked.empty()) return;
    options.included_fields = selection.picked;
    check_arrow(file_->Seek(0), source_);
    std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader =
        take_arrow(arrow::ipc::RecordBatchStreamReader::Open(file_, options), source_);
    next_batch_ = [reader] { return reader->Next(); };
  }

  // False behind the last batch.
  bool load() {
    if (batch_ != nullptr) before_ += batch_->num_rows();
    batch_.reset();
    arrays_.clear();
    at_ = 0;
    validated_ = 0;
    if (!next_batch_) return false;
    batch_ = take_arrow(next_batch_(), cat(source_, ": behind row ", before_));
    if (batch_ == nullptr) return false;
    check_arrow(batch_->Validate(), cat(source_, ": behind row ", before_));
    arrays_ = batch_->columns();
    return true;
  }

  void validate() {
    const int64_t rows = std::min(kValidatedRows, batch_->num_rows() - at_);
    if (!batch_->Slice(at_, rows)->ValidateFull().ok()) {
      // Which of them it is.
      for (int64_t i = at_; i < at_ + rows; ++i) {
        check_arrow(batch_->Slice(i, 1)->ValidateFull(), cat(source_, ":", before_ + i + 1));
      }
      check_arrow(batch_->Slice(at_, rows)->ValidateFull(), cat(source_, ": behind row ", before_));
    }
    validated_ = at_ + rows;
  }

  std::string source_;
  std::span<const TableKey> keys_;
  arrow::CappedMemoryPool pool_;
  std::shared_ptr<arrow::io::BufferReader> file_;
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::vector<std::string> names_;
  NextBatch next_batch_;  // none: no key is there
  Batch batch_;
  std::vector<std::shared_ptr<arrow::Array>> arrays_;
  int64_t before_ = 0;     // rows of the batches before
  int64_t at_ = 0;         // in batch_
  int64_t validated_ = 0;  // rows of batch_
};

}  // namespace

bool tables_are_built_in() { return true; }

void require_tables(std::string_view /*name*/) {}

std::unique_ptr<TableReader> open_table(std::string_view bytes, std::string_view source,
                                        std::span<const TableKey> keys) {
  return std::make_unique<ArrowTable>(bytes, source, keys);
}

}  // namespace tamis
