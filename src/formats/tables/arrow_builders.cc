#include "formats/tables/arrow_builders.h"

#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <cstring>

#include "formats/tables/arrow_status.h"

namespace tamis {

namespace {

constexpr std::string_view kRows = "rows of a table";

template <typename Builder>
Builder& as(arrow::ArrayBuilder& builder) {
  return static_cast<Builder&>(builder);
}

template <typename Builder, typename Value>
void append(arrow::ArrayBuilder& builder, Value value) {
  check_arrow(as<Builder>(builder).Append(value), kRows);
}

template <typename Builder>
void append_numbers(arrow::ArrayBuilder& builder, std::string_view bytes) {
  using Number = typename Builder::value_type;
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  check_arrow(
      as<Builder>(builder).AppendValues(numbers.data(), static_cast<int64_t>(numbers.size())),
      kRows);
}

// `bytes` are whole numbers of that kind.
void append_numbers(ColumnKind kind, std::string_view bytes, arrow::ArrayBuilder& builder) {
  switch (kind) {
    case ColumnKind::kBool:
      for (const char flag : bytes) append<arrow::BooleanBuilder>(builder, flag != 0);
      return;
    case ColumnKind::kInt8:
      return append_numbers<arrow::Int8Builder>(builder, bytes);
    case ColumnKind::kUint8:
      return append_numbers<arrow::UInt8Builder>(builder, bytes);
    case ColumnKind::kInt32:
      return append_numbers<arrow::Int32Builder>(builder, bytes);
    case ColumnKind::kInt64:
      return append_numbers<arrow::Int64Builder>(builder, bytes);
    case ColumnKind::kFloat16:
      return append_numbers<arrow::HalfFloatBuilder>(builder, bytes);
    case ColumnKind::kFloat32:
      return append_numbers<arrow::FloatBuilder>(builder, bytes);
    case ColumnKind::kText:
    case ColumnKind::kList:
    case ColumnKind::kVector:
    case ColumnKind::kStruct:
    case ColumnKind::kPairs:
      break;
  }
  TAMIS_CHECK(false);  // no number
}

void append_list(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder) {
  auto& list = as<arrow::ListBuilder>(builder);
  check_arrow(list.Append(), kRows);
  for (size_t i = 0; i < value.size(); ++i) {
    append_json(column.parts[0], value.at(i), *list.value_builder());
  }
}

void append_vector(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder) {
  auto& list = as<arrow::FixedSizeListBuilder>(builder);
  TAMIS_CHECK(static_cast<int64_t>(value.size()) == column.length);
  check_arrow(list.Append(), kRows);
  for (size_t i = 0; i < value.size(); ++i) {
    append_json(column.parts[0], value.at(i), *list.value_builder());
  }
}

void append_struct(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder) {
  auto& own = as<arrow::StructBuilder>(builder);
  check_arrow(own.Append(), kRows);
  for (size_t i = 0; i < column.parts.size(); ++i) {
    append_json(column.parts[i], value.get(column.parts[i].name),
                *own.field_builder(static_cast<int>(i)));
  }
}

void append_pairs(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder) {
  auto& list = as<arrow::ListBuilder>(builder);
  check_arrow(list.Append(), kRows);
  auto& pair = as<arrow::StructBuilder>(*list.value_builder());
  for (size_t i = 0; i < value.size(); ++i) {
    const JsonView::Member member = value.member(i);
    check_arrow(pair.Append(), kRows);
    append<arrow::StringBuilder>(*pair.field_builder(0), member.key);
    append_json(column.parts[1], member.value, *pair.field_builder(1));
  }
}

}  // namespace

std::shared_ptr<arrow::DataType> arrow_type_of(const TableColumn& column) {
  const auto fields = [&column] {
    arrow::FieldVector parts;
    for (const TableColumn& part : column.parts) {
      parts.push_back(arrow::field(part.name, arrow_type_of(part)));
    }
    return arrow::struct_(parts);
  };
  switch (column.kind) {
    case ColumnKind::kBool:
      return arrow::boolean();
    case ColumnKind::kInt8:
      return arrow::int8();
    case ColumnKind::kUint8:
      return arrow::uint8();
    case ColumnKind::kInt32:
      return arrow::int32();
    case ColumnKind::kInt64:
      return arrow::int64();
    case ColumnKind::kFloat16:
      return arrow::float16();
    case ColumnKind::kFloat32:
      return arrow::float32();
    case ColumnKind::kText:
      return arrow::utf8();
    case ColumnKind::kList:
      return arrow::list(arrow_type_of(column.parts[0]));
    case ColumnKind::kVector:
      return arrow::fixed_size_list(arrow_type_of(column.parts[0]),
                                    static_cast<int32_t>(column.length));
    case ColumnKind::kStruct:
      return fields();
    case ColumnKind::kPairs:
      return arrow::list(fields());
  }
  return nullptr;
}

void append_json(const TableColumn& column, JsonView value, arrow::ArrayBuilder& builder) {
  if (column.kind == ColumnKind::kBool) {
    append<arrow::BooleanBuilder>(builder, !value.is_null() && value.as_bool(column.name));
    return;
  }
  if (value.is_null()) {
    check_arrow(builder.AppendNull(), kRows);
    return;
  }
  switch (column.kind) {
    case ColumnKind::kBool:
      return;
    case ColumnKind::kInt8:
      return append<arrow::Int8Builder>(builder, static_cast<int8_t>(value.as_int(column.name)));
    case ColumnKind::kUint8:
      return append<arrow::UInt8Builder>(builder, static_cast<uint8_t>(value.as_int(column.name)));
    case ColumnKind::kInt32:
      return append<arrow::Int32Builder>(builder, static_cast<int32_t>(value.as_int(column.name)));
    case ColumnKind::kInt64:
      return append<arrow::Int64Builder>(builder, value.as_int(column.name));
    case ColumnKind::kFloat16:
      return append<arrow::HalfFloatBuilder>(
          builder, arrow::util::Float16::FromDouble(value.as_double(column.name)).bits());
    case ColumnKind::kFloat32:
      return append<arrow::FloatBuilder>(builder, static_cast<float>(value.as_double(column.name)));
    case ColumnKind::kText:
      return append<arrow::StringBuilder>(builder, value.as_string(column.name));
    case ColumnKind::kList:
      return append_list(column, value, builder);
    case ColumnKind::kVector:
      return append_vector(column, value, builder);
    case ColumnKind::kStruct:
      return append_struct(column, value, builder);
    case ColumnKind::kPairs:
      return append_pairs(column, value, builder);
  }
}

void append_raw(const TableColumn& column, std::string_view& bytes, arrow::ArrayBuilder& builder) {
  const auto size = static_cast<size_t>(raw_row_bytes({{column}, RowEncoding::kRaw}));
  TAMIS_CHECK(bytes.size() >= size);
  if (column.kind == ColumnKind::kVector) {
    auto& list = as<arrow::FixedSizeListBuilder>(builder);
    check_arrow(list.Append(), kRows);
    append_numbers(column.parts[0].kind, bytes.substr(0, size), *list.value_builder());
  } else {
    append_numbers(column.kind, bytes.substr(0, size), builder);
  }
  bytes.remove_prefix(size);
}

}  // namespace tamis
